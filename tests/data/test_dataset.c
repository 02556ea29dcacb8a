/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "core/random.h"
#include "data/dataset.h"
#include "folder_support.h"
#include "support/suite.h"

static char log_text[4000];

static void keep_log(void *cookie, fcmae_log_level level, const char *message)
{
    (void)cookie, (void)level;
    strncat(log_text, message, sizeof log_text - strlen(log_text) - 2);
    strcat(log_text, "\n");
}

static fcmae_dataset *open_folder(const char *path, bool labelled)
{
    fcmae_dataset *dataset = NULL;
    fcmae_error error = {0};
    fcmae_dataset_options options = {labelled, {keep_log, NULL}};
    log_text[0] = 0;
    fcmae_status status = fcmae_dataset_open(&dataset, path, &options, &error);
    ck_assert_msg(status == FCMAE_OK, "%s", error.message);
    return dataset;
}

static const char *name_of(const fcmae_dataset *dataset, int64_t index)
{
    static char name[1000];
    fcmae_dataset_name(dataset, index, name, sizeof name);
    return name + strlen(root) + 1;
}

START_TEST(classes_and_files_are_in_code_point_order)
{
    make_root();
    static const char *const folders[] = {"a", "B", "10", "9", "a/sub", "a-b", ".hidden", "empty"};
    for (int i = 0; i < 8; i++) make_folder_in_root(folders[i]);
    static const char *const files[] = {"a/z.png",  "a/Z.PNG", "a/sub/1.jpg",   "a-b/x.jpeg", "B/x",
                                        "10/p.png", "9/q.png", ".hidden/h.png", "root.png"};
    for (int i = 0; i < 9; i++) make_picture(in_root("%s", files[i]), 4, i);
    make_text(in_root("a/notes.txt"), "no image");
    make_text(in_root("a/.DS_Store"), "junk");
    fcmae_dataset *dataset = open_folder(root, true);
    static const char *const classes[] = {"10", "9", "B", "a", "a-b", "empty"};
    ck_assert_int_eq(fcmae_dataset_classes(dataset), 6);
    for (int i = 0; i < 6; i++) ck_assert_str_eq(fcmae_dataset_class_name(dataset, i), classes[i]);
    ck_assert_ptr_null(fcmae_dataset_class_name(dataset, 6));
    static const char *const expected[] = {"10/p.png", "9/q.png",     "B/x",       "a/Z.PNG",
                                           "a/z.png",  "a/sub/1.jpg", "a-b/x.jpeg"};
    static const int labels[] = {0, 1, 2, 3, 3, 3, 4};
    ck_assert_int_eq(fcmae_dataset_count(dataset), 7);
    for (int i = 0; i < 7; i++) {
        ck_assert_str_eq(name_of(dataset, i), expected[i]);
        ck_assert_int_eq(fcmae_dataset_label(dataset, i), labels[i]);
    }
    ck_assert_ptr_nonnull(strstr(log_text, "2 other files"));
    ck_assert_ptr_nonnull(strstr(log_text, "class empty has no images"));
    fcmae_dataset_close(&dataset);
    ck_assert_ptr_null(dataset);

    dataset = open_folder(root, false);
    ck_assert_int_eq(fcmae_dataset_count(dataset), 8);
    ck_assert_str_eq(name_of(dataset, 0), "root.png");
    ck_assert_int_eq(fcmae_dataset_label(dataset, 3), -1);
    ck_assert_int_eq(fcmae_dataset_classes(dataset), 0);
    fcmae_dataset_close(&dataset);
    remove_root();
}
END_TEST

START_TEST(litter_and_runs_are_no_data)
{
    make_root();
    static const char *const folders[] = {"cat",        "dog",    "__MACOSX",
                                          "cat/@eaDir", "run",    "run/pictures",
                                          "dog/run",    "almost", ".cache"};
    for (int i = 0; i < 9; i++) make_folder_in_root(folders[i]);
    static const char *const files[] = {"cat/1.png",          "dog/1.png",    "__MACOSX/1.png",
                                        "cat/@eaDir/1.png",   "run/grid.png", "run/pictures/1.png",
                                        "dog/run/result.png", "almost/1.png"};
    for (int i = 0; i < 8; i++) make_picture(in_root("%s", files[i]), 4, i);
    static const char *const texts[] = {"run/config.json",    "run/log.jsonl",
                                        "dog/run/log.jsonl",  "dog/run/config.json",
                                        "almost/config.json", "cat/Thumbs.db"};
    for (int i = 0; i < 6; i++) make_text(in_root("%s", texts[i]), "{}");
    fcmae_dataset *dataset = open_folder(root, true);
    ck_assert_int_eq(fcmae_dataset_classes(dataset), 3);
    ck_assert_int_eq(fcmae_dataset_count(dataset), 3);
    ck_assert_str_eq(name_of(dataset, 0), "almost/1.png");
    ck_assert_str_eq(name_of(dataset, 1), "cat/1.png");
    ck_assert_str_eq(name_of(dataset, 2), "dog/1.png");
    ck_assert_ptr_nonnull(strstr(log_text, "a run and no data"));
    ck_assert_ptr_null(strstr(log_text, "Thumbs.db"));
    fcmae_dataset_close(&dataset);
    dataset = open_folder(in_root("run"), false); /* unless it is asked for */
    ck_assert_int_eq(fcmae_dataset_count(dataset), 2);
    fcmae_dataset_close(&dataset);
    remove_root();
}
END_TEST

START_TEST(a_file_is_a_set_of_one)
{
    make_root();
    make_picture(in_root("one.png"), 4, 1);
    fcmae_dataset *dataset = open_folder(in_root("one.png"), false);
    const fcmae_dataset_options labelled = {.labelled = true};
    ck_assert_int_eq(fcmae_dataset_count(dataset), 1);
    ck_assert_int_eq(fcmae_dataset_label(dataset, 0), -1);
    fcmae_dataset_close(&dataset);
    ck_assert_int_eq(fcmae_dataset_open(&dataset, in_root("one.png"), &labelled, NULL),
                     FCMAE_ERR_FORMAT);
    remove_root();
}
END_TEST

START_TEST(links_are_followed_once)
{
    make_root();
    make_folder_in_root("real");
    make_folder_in_root("real/deep");
    make_picture(in_root("real/deep/a.png"), 4, 1);
    ck_assert_int_eq(symlink("../..", in_root("real/deep/loop")), 0);
    ck_assert_int_eq(symlink("real", in_root("twin")), 0);
    ck_assert_int_eq(symlink("nowhere", in_root("broken.png")), 0);
    ck_assert_int_eq(symlink("real/deep/a.png", in_root("link.png")), 0);
    ck_assert_int_eq(mkfifo(in_root("pipe"), 0666), 0); /* must not block */
    fcmae_dataset *dataset = open_folder(root, false);
    ck_assert_int_eq(fcmae_dataset_count(dataset), 2);
    ck_assert_str_eq(name_of(dataset, 0), "link.png");
    ck_assert_str_eq(name_of(dataset, 1), "real/deep/a.png");
    ck_assert_ptr_nonnull(strstr(log_text, "listed already"));
    fcmae_dataset_close(&dataset);
    remove_root();
}
END_TEST

START_TEST(impossible_folders_have_clear_errors)
{
    make_root();
    fcmae_dataset *dataset = NULL;
    fcmae_dataset_options labelled = {.labelled = true};
    fcmae_error error = {0};
    ck_assert_int_eq(fcmae_dataset_open(&dataset, in_root("absent"), NULL, &error),
                     FCMAE_ERR_NOT_FOUND);
    ck_assert_int_eq(fcmae_dataset_open(&dataset, root, NULL, &error), FCMAE_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(error.message, "no JPEG or PNG"));
    ck_assert_int_eq(fcmae_dataset_open(&dataset, root, &labelled, &error), FCMAE_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(error.message, "no subfolders"));
    make_text(in_root("a.txt"), "x");
    ck_assert_int_eq(fcmae_dataset_open(&dataset, in_root("a.txt"), NULL, &error),
                     FCMAE_ERR_FORMAT);
    ck_assert_int_eq(fcmae_dataset_open(&dataset, root, NULL, &error), FCMAE_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(error.message, "a.txt"));
    ck_assert_int_eq(fcmae_dataset_open(&dataset, "", NULL, &error), FCMAE_ERR_ARGUMENT);
    ck_assert_ptr_null(dataset);
    remove_root();
}
END_TEST

START_TEST(a_list_of_files)
{
    const char *const paths[] = {"/b/x.png", "relative/y.jpg", "/b/x.png"};
    fcmae_dataset *dataset = NULL;
    fcmae_error error = {0};
    ck_assert_int_eq(fcmae_dataset_from_files(&dataset, paths, 0, &error), FCMAE_ERR_ARGUMENT);
    ck_assert_int_eq(fcmae_dataset_from_files(&dataset, paths, 3, &error), FCMAE_OK);
    char name[20];
    fcmae_dataset_name(dataset, 1, name, sizeof name);
    ck_assert_str_eq(name, "relative/y.jpg");
    fcmae_dataset_name(dataset, 2, name, 5);
    ck_assert_str_eq(name, "/b/x");
    ck_assert_int_eq(fcmae_dataset_label(dataset, 2), -1);
    fcmae_dataset_close(&dataset);
}
END_TEST

/** Many names without touching the disk: order, lookup and memory of the packed list. */
START_TEST(a_million_names)
{
    fcmae_dataset *dataset = calloc(1, sizeof *dataset);
    char text[40];
    for (int folder = 0; folder < 1000; folder++) {
        snprintf(text, sizeof text, "/data/%04d", folder);
        ck_assert_int_eq(fcmae_dataset_add_folder(dataset, text, folder, NULL), FCMAE_OK);
        for (int i = 0; i < (folder % 2 ? 2000 : 0); i++) {
            snprintf(text, sizeof text, "n%04d_%05d.JPEG", folder, i);
            ck_assert_int_eq(fcmae_dataset_add_name(dataset, text, NULL), FCMAE_OK);
        }
    }
    fcmae_dataset_number(dataset);
    ck_assert_int_eq(fcmae_dataset_count(dataset), 1000000);
    fcmae_random random = fcmae_random_start(1, FCMAE_RANDOM_TEST, 0, 0);
    for (int round = 0; round < 1000; round++) {
        int64_t index = (int64_t)fcmae_random_below(&random, 1000000);
        int folder = (int)(index / 2000) * 2 + 1;
        char name[100];
        snprintf(text, sizeof text, "n%04d_%05d.JPEG", folder, (int)(index % 2000));
        fcmae_dataset_name(dataset, index, name, sizeof name);
        ck_assert_str_eq(name + 11, text);
        ck_assert_int_eq(fcmae_dataset_label(dataset, index), folder);
    }
    ck_assert_uint_le(dataset->names.size, 17u * 1000000u);
    fcmae_dataset_close(&dataset);
}
END_TEST

START_TEST(subsets_keep_the_share_of_every_class)
{
    fcmae_dataset *dataset = calloc(1, sizeof *dataset);
    static const int sizes[] = {100, 1, 40, 0, 59};
    dataset->classes = calloc(5, sizeof *dataset->classes);
    ck_assert_int_eq(fcmae_dataset_add_folder(dataset, "root", -1, NULL), FCMAE_OK);
    for (int label = 0; label < 5; label++) {
        dataset->classes[dataset->class_count++] = strdup("class");
        ck_assert_int_eq(fcmae_dataset_add_folder(dataset, "f", label, NULL), FCMAE_OK);
        for (int i = 0; i < sizes[label]; i++)
            ck_assert_int_eq(fcmae_dataset_add_name(dataset, "x", NULL), FCMAE_OK);
    }
    fcmae_dataset_number(dataset);
    int64_t *a = NULL, *b = NULL, count = 0, again = 0;
    ck_assert_int_eq(fcmae_dataset_subset(dataset, 0.1, 4, &a, &count, NULL), FCMAE_OK);
    ck_assert_int_eq(count, 10 + 1 + 4 + 0 + 6);
    int found[5] = {0};
    for (int64_t i = 0; i < count; i++) {
        found[fcmae_dataset_label(dataset, a[i])]++;
        if (i) ck_assert_int_gt(a[i], a[i - 1]);
    }
    ck_assert(found[0] == 10 && found[1] == 1 && found[2] == 4 && found[4] == 6);
    ck_assert_int_eq(fcmae_dataset_subset(dataset, 0.1, 4, &b, &again, NULL), FCMAE_OK);
    ck_assert_int_eq(memcmp(a, b, (size_t)count * sizeof *a), 0);
    free(b);
    ck_assert_int_eq(fcmae_dataset_subset(dataset, 0.1, 5, &b, &again, NULL), FCMAE_OK);
    ck_assert_int_ne(memcmp(a, b, (size_t)count * sizeof *a), 0);
    free(b);
    ck_assert_int_eq(fcmae_dataset_subset(dataset, 1, 5, &b, &again, NULL), FCMAE_OK);
    ck_assert_int_eq(again, 200);
    free(a);
    free(b);
    ck_assert_int_eq(fcmae_dataset_subset(dataset, 0, 5, &b, &again, NULL), FCMAE_ERR_ARGUMENT);
    fcmae_dataset_close(&dataset);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, classes_and_files_are_in_code_point_order);
    tcase_add_test(cases, litter_and_runs_are_no_data);
    tcase_add_test(cases, a_file_is_a_set_of_one);
    tcase_add_test(cases, links_are_followed_once);
    tcase_add_test(cases, impossible_folders_have_clear_errors);
    tcase_add_test(cases, a_list_of_files);
    tcase_add_test(cases, a_million_names);
    tcase_add_test(cases, subsets_keep_the_share_of_every_class);
}

int main(void)
{
    return run_suite("data dataset", add_tests);
}
