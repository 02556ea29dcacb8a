/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/parallel.h"
#include "core/random.h"
#include "core/text.h"
#include "support/suite.h"

START_TEST(random_known_answer)
{
    /* Random123's known-answer test of philox4x32-10 with zero counter and key */
    fcmae_random random = {.used = 4};
    ck_assert_uint_eq(fcmae_random_u32(&random), 0x6627e8d5u);
    ck_assert_uint_eq(fcmae_random_u32(&random), 0xe169c58du);
    ck_assert_uint_eq(fcmae_random_u32(&random), 0xbc57ac4cu);
    ck_assert_uint_eq(fcmae_random_u32(&random), 0x9b00dbd8u);
}
END_TEST

START_TEST(random_streams_differ)
{
    fcmae_random a = fcmae_random_start(1, FCMAE_RANDOM_MASK, 0, 0);
    fcmae_random b = fcmae_random_start(1, FCMAE_RANDOM_CROP, 0, 0);
    fcmae_random c = fcmae_random_start(1, FCMAE_RANDOM_MASK, 1, 0);
    uint32_t x = fcmae_random_u32(&a), y = fcmae_random_u32(&b), z = fcmae_random_u32(&c);
    ck_assert(x != y && y != z && x != z);
}
END_TEST

START_TEST(permutation_is_one)
{
    fcmae_random random = fcmae_random_start(7, FCMAE_RANDOM_TEST, 0, 0);
    int64_t order[100];
    int seen[100] = {0};
    fcmae_random_permutation(&random, 100, order);
    for (int i = 0; i < 100; i++) seen[order[i]]++;
    for (int i = 0; i < 100; i++) ck_assert_int_eq(seen[i], 1);
}
END_TEST

static void square(void *argument, int64_t index, int worker)
{
    (void)worker;
    ((int64_t *)argument)[index] = index * index;
}

START_TEST(parallel_covers_every_index)
{
    for (int threads = 0; threads <= 5; threads++) {
        int64_t out[37] = {0}, bound[37] = {0};
        fcmae_parallel_for(threads, 37, square, out);
        fcmae_parallel_static(threads, 37, square, bound);
        for (int64_t i = 0; i < 37; i++) ck_assert(out[i] == i * i && bound[i] == i * i);
    }
}
END_TEST

START_TEST(arena_measures_then_hands_out)
{
    fcmae_arena arena = {0};
    fcmae_error error = {0};
    ck_assert_ptr_null(fcmae_arena_take(&arena, 10, 4));
    ck_assert_ptr_null(fcmae_arena_take(&arena, 1, 1));
    ck_assert_int_eq(fcmae_arena_allocate(&arena, "test", &error), FCMAE_OK);
    char *a = fcmae_arena_take(&arena, 10, 4), *b = fcmae_arena_take(&arena, 1, 1);
    ck_assert_int_eq(b - a, 64);
    ck_assert_uint_eq((uintptr_t)a % 64, 0);
    ck_assert_int_eq(fcmae_arena_finish(&arena, "test", &error), FCMAE_OK);
    fcmae_arena_release(&arena);
    fcmae_arena_take(&arena, SIZE_MAX / 4, 8);
    ck_assert_int_eq(fcmae_arena_allocate(&arena, "test", &error), FCMAE_ERR_MEMORY);
}
END_TEST

START_TEST(buffers_grow_and_remember_failures)
{
    fcmae_buffer buffer = {0};
    fcmae_error error = {0};
    char expected[3001] = "";
    for (int i = 0; i < 1000; i++) {
        fcmae_text_format(&buffer, "%03d", i);
        snprintf(expected + 3 * i, 4, "%03d", i);
    }
    ck_assert_int_eq(fcmae_buffer_check(&buffer, "a test", &error), FCMAE_OK);
    ck_assert_uint_eq(buffer.size, 3000);
    ck_assert_str_eq(buffer.text, expected);
    ck_assert(!fcmae_buffer_extend(&buffer, SIZE_MAX - 100));
    fcmae_text_add(&buffer, "more");
    ck_assert_uint_eq(buffer.size, 3000);
    ck_assert_int_eq(fcmae_buffer_check(&buffer, "a test", &error), FCMAE_ERR_MEMORY);
    ck_assert_str_eq(error.message, "no memory for a test");
    fcmae_buffer_release(&buffer);
    ck_assert(!buffer.failed && !buffer.bytes);
    fcmae_buffer_add(&buffer, NULL, 0);
    ck_assert_str_eq(buffer.text, "");
    fcmae_buffer_release(&buffer);
}
END_TEST

START_TEST(names_need_not_be_utf8)
{
    const char *const cases[][2] = {{"plain", "plain"},
                                    {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
                                    {"\xff-", "\xef\xbf\xbd-"},
                                    {"\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd"},
                                    {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
                                    {"\xf0\x9f\x90\x9f\xe2", "\xf0\x9f\x90\x9f\xef\xbf\xbd"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *text = fcmae_json_lossy_text(cases[i][0]);
        ck_assert_ptr_nonnull(text);
        ck_assert_str_eq(json_string_value(text), cases[i][1]);
        json_decref(text);
    }
}
END_TEST

/* One value that cannot be made, of many, leaves nothing to write. */
START_TEST(json_is_whole_or_nothing)
{
    json_t *object = json_object(), *list = json_array();
    fcmae_json_append(&list, fcmae_json_figure(0.1));
    fcmae_json_append(&list, fcmae_json_figure(NAN));
    fcmae_json_append(&list, fcmae_json_figure(-INFINITY));
    fcmae_json_set(&object, "list", list);
    fcmae_json_set(&object, "one", json_integer(1));
    char *line = fcmae_json_line(object), *words = fcmae_json_words(object, 15);
    ck_assert_pstr_eq(line, "{\"list\":[0.10000000000000001,null,null],\"one\":1}");
    ck_assert_pstr_eq(words, "{\"list\": [0.1, null, null], \"one\": 1}");
    free(line);
    free(words);
    fcmae_json_set(&object, "damaged", json_string("\xff"));
    ck_assert_ptr_null(object);
    fcmae_json_set(&object, "two", json_integer(2));
    ck_assert_ptr_null(object);
    ck_assert_ptr_null(fcmae_json_line(object));
    ck_assert_ptr_null(fcmae_json_words(object, 15));
    ck_assert_ptr_null(fcmae_json_page(object));
}
END_TEST

static int allocations_left;

static void *scarce_malloc(size_t size)
{
    return allocations_left-- != 0 ? malloc(size) : NULL; /* one fails, the next ones succeed */
}

/* Memory that is short is not taken for a mistake in the text. */
START_TEST(json_is_read_or_memory_is_short)
{
    static const char good[] = "{\"a key\": [1, 2.5, \"text\"], \"other\": {\"b\": null}}";
    static const char bad[] = "{\"a key\": [1, 2.5, text]}";
    int failures = 0;
    for (fcmae_status status = FCMAE_ERR_MEMORY; status != FCMAE_OK; failures++) {
        json_t *value = NULL;
        allocations_left = failures;
        json_set_alloc_funcs(scarce_malloc, free);
        status = fcmae_json_parse(good, sizeof good - 1, "a text", &value, NULL);
        json_set_alloc_funcs(malloc, free);
        ck_assert(status == FCMAE_OK || status == FCMAE_ERR_MEMORY);
        ck_assert_int_eq(json_object_size(value), status == FCMAE_OK ? 2 : 0);
        json_decref(value);
        ck_assert_int_lt(failures, 1000);
    }
    ck_assert_int_gt(failures, 10);
    json_t *value = NULL;
    fcmae_error error = {0};
    ck_assert_int_eq(fcmae_json_parse(bad, sizeof bad - 1, "a text", &value, &error),
                     FCMAE_ERR_FORMAT);
    ck_assert_msg(strstr(error.message, "line 1, column 23"), "%s", error.message);
}
END_TEST

static void *fail_often(void *argument)
{
    int code = *(int *)argument;
    char wanted[200], text[100];
    snprintf(wanted, sizeof wanted, "cannot open x: %s",
             fcmae_system_error(code, text, sizeof text));
    for (int i = 0; i < 20000; i++) {
        fcmae_error error = {0};
        fcmae_fail_system(&error, FCMAE_ERR_IO, code, "cannot open %s", "x");
        if (strcmp(error.message, wanted) != 0) return argument;
    }
    return NULL;
}

START_TEST(errors_of_the_system_in_threads)
{
    fcmae_error error = {0};
    ck_assert_int_eq(fcmae_fail_system(&error, FCMAE_ERR_IO, ENOENT, "cannot open %s", "x"),
                     FCMAE_ERR_IO);
    ck_assert_str_eq(error.message, "cannot open x: No such file or directory");
    ck_assert_int_eq(fcmae_fail_system(NULL, FCMAE_ERR_IO, ENOENT, "x"), FCMAE_ERR_IO);
    pthread_t threads[4];
    int codes[4] = {4001, 4002, 4003, 4004}; /* unknown ones: their texts are made each time */
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, fail_often, &codes[i]);
    for (int i = 0; i < 4; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        ck_assert_ptr_null(wrong);
    }
}
END_TEST

/* A second pass that is not the first: nothing is handed out beyond the block, and it is said. */
START_TEST(arena_passes_must_agree)
{
    for (int more = 0; more < 2; more++) {
        fcmae_arena arena = {0};
        fcmae_error error = {0};
        fcmae_arena_take(&arena, 100, 4);
        if (!more) fcmae_arena_take(&arena, 100, 4);
        ck_assert_int_eq(fcmae_arena_allocate_bare(&arena, "a thing", &error), FCMAE_OK);
        ck_assert_ptr_nonnull(fcmae_arena_take(&arena, 100, 4));
        if (more) ck_assert_ptr_null(fcmae_arena_take(&arena, 100, 4));
        ck_assert_int_eq(fcmae_arena_finish(&arena, "a thing", &error), FCMAE_ERR_MEMORY);
        ck_assert_str_eq(error.message, more ? "a thing: 448 bytes were measured, but 896 taken"
                                             : "a thing: 896 bytes were measured, but 448 taken");
        fcmae_arena_release(&arena);
    }
}
END_TEST

typedef struct ownership {
    pthread_t thread[13];
    int worker[13];
} ownership;

static void own(void *argument, int64_t index, int worker)
{
    ownership *o = argument;
    struct timespec pause = {.tv_nsec = index % 3 * 200000}; /* uneven work tempts a scheduler */
    nanosleep(&pause, NULL);
    o->thread[index] = pthread_self();
    o->worker[index] = worker;
}

/* Every loop gives an index to the same thread, and neighbours to one. */
START_TEST(static_loops_bind_indices_to_threads)
{
    ownership first, again;
    fcmae_parallel_static(3, 13, own, &first);
    int threads = first.worker[12] + 1; /* the system may give fewer than were asked for */
    for (int64_t t = 0; t < threads; t++)
        for (int64_t i = t * 13 / threads; i < (t + 1) * 13 / threads; i++)
            ck_assert_int_eq(first.worker[i], t);
    for (int round = 0; round < 20; round++) {
        fcmae_parallel_static(3, 13, own, &again);
        for (int i = 0; i < 13; i++) ck_assert(pthread_equal(first.thread[i], again.thread[i]));
    }
}
END_TEST

START_TEST(control_groups_limit_processors)
{
    static const struct {
        const char *text;
        int processors;
    } cases[] = {
        {"max 100000\n", 0},
        {"200000 100000\n", 2},
        {"150000 100000\n", 2},
        {"100 100000\n", 1},
        {"3200000 100000\n", 32},
        {"400000 100000", 4},
        {"", 0},
        {"100000", 0},
        {"100000 ", 0},
        {"-1 100000\n", 0},
        {"100000 0\n", 0},
        {"1e5 100000\n", 0},
        {"100000 100000x\n", 0},
        {"99999999999999999999 1\n", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(fcmae_processor_limit(cases[i].text) == cases[i].processors,
                      "\"%s\" allows %d", cases[i].text, fcmae_processor_limit(cases[i].text));
    ck_assert_int_ge(fcmae_processor_count(), 1);
    ck_assert_int_le(fcmae_processor_count(), (int)sysconf(_SC_NPROCESSORS_CONF));
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, random_known_answer);
    tcase_add_test(cases, random_streams_differ);
    tcase_add_test(cases, permutation_is_one);
    tcase_add_test(cases, parallel_covers_every_index);
    tcase_add_test(cases, arena_measures_then_hands_out);
    tcase_add_test(cases, buffers_grow_and_remember_failures);
    tcase_add_test(cases, names_need_not_be_utf8);
    tcase_add_test(cases, json_is_whole_or_nothing);
    tcase_add_test(cases, json_is_read_or_memory_is_short);
    tcase_add_test(cases, errors_of_the_system_in_threads);
    tcase_add_test(cases, arena_passes_must_agree);
    tcase_add_test(cases, static_loops_bind_indices_to_threads);
    tcase_add_test(cases, control_groups_limit_processors);
}

int main(void)
{
    return run_suite("core", add_tests);
}
