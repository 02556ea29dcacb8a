/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
#include "core/random.h"
#include "data/shards.h"
#include "folder_support.h"
#include "support/suite.h"

static const char golden[] = GOLDEN "/shard.tar";

/* ------------------------------------------------------------ a small tar writer */

static void add_member(FILE *tar, const char *name, const void *bytes, size_t size)
{
    char header[512] = "", padding[512] = "";
    snprintf(header, 100, "%s", name);
    snprintf(header + 100, 8, "%07o", 0644);
    snprintf(header + 108, 8, "%07o", 0);
    snprintf(header + 116, 8, "%07o", 0);
    snprintf(header + 124, 12, "%011zo", size);
    snprintf(header + 136, 12, "%011o", 0);
    memcpy(header + 257, "ustar\00000", 8);
    header[156] = '0';
    memset(header + 148, ' ', 8);
    unsigned sum = 0;
    for (int i = 0; i < 512; i++) sum += (unsigned char)header[i];
    snprintf(header + 148, 8, "%06o", sum);
    ck_assert_uint_eq(fwrite(header, 1, 512, tar), 512);
    ck_assert_uint_eq(fwrite(bytes, 1, size, tar), size);
    fwrite(padding, 1, (512 - size % 512) % 512, tar);
}

static void end_tar(FILE *tar)
{
    char zeros[1024] = "";
    fwrite(zeros, 1, sizeof zeros, tar);
    fclose(tar);
}

/** A shard of samples first .. first + count - 1: PNGs of one grey value each, label value % 3. */
static void make_shard(const char *path, int first, int count)
{
    FILE *tar = fopen(path, "wb");
    for (int i = first; i < first + count; i++) {
        uint8_t pixels[20 * 20 * 3];
        char name[40], label[10];
        fcmae_buffer file = {0};
        memset(pixels, i, sizeof pixels);
        ck_assert_int_eq(fcmae_png_encode(&file, pixels, 20, 20, NULL), FCMAE_OK);
        snprintf(name, sizeof name, "s/%04d.png", i);
        add_member(tar, name, file.bytes, file.size);
        snprintf(name, sizeof name, "s/%04d.cls", i);
        snprintf(label, sizeof label, "%d", i % 3);
        add_member(tar, name, label, strlen(label));
        fcmae_buffer_release(&file);
    }
    end_tar(tar);
}

static fcmae_dataset *open_shards(const char *path, bool labelled)
{
    fcmae_dataset *dataset = NULL;
    fcmae_error error = {0};
    fcmae_dataset_options options = {.labelled = labelled};
    fcmae_status status = fcmae_dataset_open(&dataset, path, &options, &error);
    ck_assert_msg(status == FCMAE_OK, "%s", error.message);
    return dataset;
}

/* ------------------------------------------------------------ tests */

START_TEST(webdataset_rules)
{
    fcmae_dataset *dataset = open_shards(golden, false);
    ck_assert_int_eq(fcmae_dataset_count(dataset), 4);
    static const char *const sources[] = {"exif1.jpg", "colour8.png", "exif1.jpg", "exif1.jpg"};
    static const char *const names[] = {"shard.tar/./a/000.jpg", "xxx.PNG", "shard.tar/c.jpg",
                                        "caf\u00e9.jpeg"};
    for (int i = 0; i < 4; i++) {
        fcmae_buffer found = {0}, expected = {0};
        char path[600], name[600];
        fcmae_dataset_name(dataset, i, name, sizeof name);
        ck_assert_msg(strstr(name, names[i]) != NULL, "%s", name);
        snprintf(path, sizeof path, "%s/%s", GOLDEN, sources[i]);
        ck_assert_int_eq(fcmae_file_read(&expected, path, 1 << 20, NULL), FCMAE_OK);
        ck_assert_int_eq(fcmae_dataset_fetch(dataset, i, &found, NULL), FCMAE_OK);
        ck_assert_uint_eq(found.size, expected.size);
        ck_assert_int_eq(memcmp(found.bytes, expected.bytes, found.size), 0);
        ck_assert_int_eq(fcmae_dataset_label(dataset, i), -1);
        fcmae_buffer_release(&found);
        fcmae_buffer_release(&expected);
    }
    fcmae_dataset_close(&dataset);
    fcmae_error error = {0};
    fcmae_dataset_options labelled = {.labelled = true};
    ck_assert_int_eq(fcmae_dataset_open(&dataset, golden, &labelled, &error), FCMAE_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(error.message, "has no label"));
}
END_TEST

START_TEST(lists_of_shards_are_expanded)
{
    fcmae_strings list = {0};
    ck_assert_int_eq(fcmae_shards_expand("d/x-{008..011}.tar", &list, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_shards_expand("{a,b}{1..2}.tar", &list, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_shards_expand("plain.tar", &list, NULL), FCMAE_OK);
    ck_assert_uint_eq(list.count, 9);
    ck_assert_str_eq(list.items[0], "d/x-008.tar");
    ck_assert_str_eq(list.items[3], "d/x-011.tar");
    ck_assert_str_eq(list.items[4], "a1.tar");
    ck_assert_str_eq(list.items[8], "plain.tar");
    fcmae_strings_release(&list);
    fcmae_error error = {0};
    ck_assert_int_eq(fcmae_shards_expand("{0..99999999}", &list, &error), FCMAE_ERR_ARGUMENT);
    ck_assert_int_eq(fcmae_shards_expand("{0..999}{0..999}{0..9}", &list, &error),
                     FCMAE_ERR_ARGUMENT);
    fcmae_strings_release(&list);
}
END_TEST

START_TEST(labels_and_folders_of_shards)
{
    make_root();
    make_shard(in_root("t-0.tar"), 0, 10);
    make_shard(in_root("t-1.tar"), 10, 0);
    make_shard(in_root("t-2.tar"), 10, 11);
    for (int form = 0; form < 2; form++) {
        fcmae_dataset *dataset = open_shards(form ? root : in_root("t-{0..2}.tar"), true);
        ck_assert_int_eq(fcmae_dataset_count(dataset), 21);
        ck_assert_int_eq(fcmae_dataset_classes(dataset), 3);
        ck_assert_str_eq(fcmae_dataset_class_name(dataset, 2), "2");
        for (int i = 0; i < 21; i++) ck_assert_int_eq(fcmae_dataset_label(dataset, i), i % 3);
        int64_t *chosen = NULL, count = 0;
        ck_assert_int_eq(fcmae_dataset_subset(dataset, 0.4, 1, &chosen, &count, NULL), FCMAE_OK);
        int found[3] = {0};
        for (int64_t i = 0; i < count; i++) found[chosen[i] % 3]++;
        ck_assert(found[0] == 3 && found[1] == 3 && found[2] == 3);
        free(chosen);
        fcmae_dataset_close(&dataset);
    }
    remove_root();
}
END_TEST

START_TEST(damaged_shards_are_refused)
{
    make_root();
    make_shard(in_root("good.tar"), 0, 5);
    fcmae_buffer good = {0};
    fcmae_dataset *dataset = NULL;
    fcmae_error error = {0};
    ck_assert_int_eq(fcmae_file_read(&good, in_root("good.tar"), 1 << 20, NULL), FCMAE_OK);
    /* cut inside a header, inside contents */
    for (size_t cut = 700; cut + 2000 < good.size; cut += 450) {
        ck_assert_int_eq(fcmae_file_write(in_root("cut.tar"), good.bytes, cut, NULL), FCMAE_OK);
        fcmae_status status = fcmae_dataset_open(&dataset, in_root("cut.tar"), NULL, &error);
        ck_assert(status == FCMAE_OK || status == FCMAE_ERR_FORMAT);
        if (status == FCMAE_OK) { /* cut exactly between members */
            ck_assert_uint_eq(cut % 512, 0);
            fcmae_dataset_close(&dataset);
        }
    }
    fcmae_random random = fcmae_random_start(3, FCMAE_RANDOM_TEST, 0, 0);
    for (int round = 0; round < 300; round++) {
        uint8_t *copy = malloc(good.size);
        memcpy(copy, good.bytes, good.size);
        for (int i = 0; i < 3; i++)
            copy[fcmae_random_below(&random, good.size)] = (uint8_t)fcmae_random_u32(&random);
        FILE *bad = fopen(in_root("bad.tar"), "wb");
        ck_assert_uint_eq(fwrite(copy, 1, good.size, bad), good.size);
        fclose(bad);
        if (fcmae_dataset_open(&dataset, in_root("bad.tar"), NULL, &error) == FCMAE_OK)
            fcmae_dataset_close(&dataset);
        free(copy);
    }
    make_text(in_root("zip.tar"), "\x1F\x8B\x08 compressed");
    ck_assert_int_eq(fcmae_dataset_open(&dataset, in_root("zip.tar"), NULL, &error),
                     FCMAE_ERR_UNSUPPORTED);
    ck_assert_int_eq(fcmae_dataset_open(&dataset, in_root("no-{0..1}.tar"), NULL, &error),
                     FCMAE_ERR_NOT_FOUND);
    FILE *twice = fopen(in_root("twice.tar"), "wb");
    add_member(twice, "a.cls", "1", 1);
    add_member(twice, "a.CLS", "1", 1);
    end_tar(twice);
    ck_assert_int_eq(fcmae_dataset_open(&dataset, in_root("twice.tar"), NULL, &error),
                     FCMAE_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(error.message, "two members"));
    fcmae_buffer_release(&good);
    remove_root();
}
END_TEST

START_TEST(epochs_read_shards_one_behind_the_other)
{
    make_root();
    for (int i = 0; i < 5; i++) make_shard(in_root("%d.tar", i), 20 * i, 20);
    fcmae_dataset *dataset = open_shards(root, true);
    static int64_t order[2][100];
    fcmae_loader_options options = {.transform = fcmae_transform_train(16, 0.2),
                                    .batch = 10,
                                    .training = true,
                                    .seed = 3,
                                    .workers = 2,
                                    .prefetch = 2,
                                    .shuffle_buffer = 15};
    fcmae_loader *loader = NULL;
    fcmae_samples samples;
    ck_assert_int_eq(fcmae_loader_create(&loader, dataset, &options, NULL), FCMAE_OK);
    for (int e = 0; e < 2; e++)
        for (int b = 0; b < 10; b++) {
            ck_assert_int_eq(fcmae_loader_next(loader, &samples, NULL), FCMAE_OK);
            for (int i = 0; i < 10; i++) {
                order[e][10 * b + i] = samples.indices[i];
                ck_assert_int_eq(samples.images[i * 16 * 16 * 3], samples.indices[i]);
                ck_assert_int_eq(samples.labels[i], samples.indices[i] % 3);
            }
        }
    int moved = 0, differs = 0, seen[100] = {0};
    for (int i = 0; i < 100; i++) {
        seen[order[0][i]]++;
        differs += order[0][i] != order[1][i];
        /* at place i, no shard is open that the buffer of 15 cannot have reached */
        int first_place = 100;
        for (int k = 0; k < 100; k++)
            if (order[0][k] / 20 == order[0][i] / 20 && k < first_place) first_place = k;
        ck_assert_int_lt(i - first_place, 20 + 15 + 45); /* the tail of a shard lingers a while */
        moved += i > 0 && order[0][i] != order[0][i - 1] + 1;
    }
    for (int i = 0; i < 100; i++) ck_assert_int_eq(seen[i], 1);
    ck_assert_int_gt(moved, 60);
    ck_assert_int_gt(differs, 60);
    /* the first batch comes from the first 10 + 15 images read, which are of two shards at most */
    int64_t shards[10], different = 0;
    for (int i = 0; i < 10; i++) {
        shards[i] = order[0][i] / 20;
        int known = 0;
        for (int k = 0; k < i; k++) known |= shards[k] == shards[i];
        different += !known;
    }
    ck_assert_int_le(different, 2);
    ck_assert_int_eq(fcmae_loader_start(loader, 1, 4, NULL), FCMAE_OK);
    for (int b = 4; b < 10; b++) {
        ck_assert_int_eq(fcmae_loader_next(loader, &samples, NULL), FCMAE_OK);
        ck_assert_int_eq(memcmp(samples.indices, order[1] + 10 * b, 10 * sizeof(int64_t)), 0);
    }
    fcmae_loader_destroy(&loader);
    fcmae_dataset_close(&dataset);
    remove_root();
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, webdataset_rules);
    tcase_add_test(cases, lists_of_shards_are_expanded);
    tcase_add_test(cases, labels_and_folders_of_shards);
    tcase_add_test(cases, damaged_shards_are_refused);
    tcase_add_test(cases, epochs_read_shards_one_behind_the_other);
}

int main(void)
{
    return run_suite("data shards", add_tests);
}
