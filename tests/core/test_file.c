/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* Files and folders are complete or as before, whoever was killed and however full the disk. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/file.h"
#include "core/staging.h"
#include "support/files.h"
#include "support/suite.h"

/* What a killed process left of a file goes with the next one; what a live one writes stays. */
START_TEST(leftovers_are_removed_and_no_others)
{
    const char *path = test_path("file"), *left = test_path("file" FCMAE_TEMPORARY);
    fcmae_atomic_file first = {0}, second = {0};
    write_bytes(test_path("file.tmp"), "mine", 4); /* somebody else's */
    write_bytes(left, "left", 4);                  /* nobody holds it */
    ck_assert_int_eq(fcmae_file_write(path, "new", 3, NULL), FCMAE_OK);
    ck_assert_int_ne(access(left, F_OK), 0);
    ck_assert_int_eq(access(test_path("file.tmp"), F_OK), 0);
    ck_assert_int_eq(fcmae_atomic_open(&first, path, NULL), FCMAE_OK);
    ck_assert_str_eq(first.temporary, left);
    pid_t other = fork();
    if (other == 0) _exit(fcmae_file_write(path, "other", 5, NULL) == FCMAE_OK ? 0 : 1);
    int status = -1;
    ck_assert_int_eq(waitpid(other, &status, 0), other);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(fcmae_atomic_open(&second, path, NULL), FCMAE_OK);
    ck_assert_str_ne(second.temporary, left);
    fcmae_atomic_discard(&second);
    ck_assert_int_eq(fcmae_atomic_write(&first, "first", 5, NULL), FCMAE_OK);
    ck_assert_int_eq(fcmae_atomic_commit(&first, NULL), FCMAE_OK);
    fcmae_buffer text = {0};
    ck_assert_int_eq(fcmae_file_read(&text, path, 100, NULL), FCMAE_OK);
    ck_assert_uint_eq(text.size, 5);
    ck_assert_mem_eq(text.text, "first", 5);
    fcmae_buffer_release(&text);
    /* a process that is killed while it writes */
    pid_t killed = fork();
    if (killed == 0) {
        fcmae_atomic_open(&second, path, NULL);
        raise(SIGKILL);
    }
    ck_assert_int_eq(waitpid(killed, &status, 0), killed);
    ck_assert_int_eq(access(left, F_OK), 0);
    ck_assert_int_eq(fcmae_file_write(path, "last", 4, NULL), FCMAE_OK);
    ck_assert_int_ne(access(left, F_OK), 0);
}
END_TEST

/* A folder is complete or as it was, whatever was left beside it. */
START_TEST(folders_are_complete_or_as_before)
{
    const char *path = test_path("folder"), *beside = test_path("folder" FCMAE_TEMPORARY);
    fcmae_staging staging = {0}, other = {0};
    mkdir(beside, 0777);
    write_bytes(test_path("folder" FCMAE_TEMPORARY "/left"), "left", 4);
    ck_assert_int_eq(fcmae_staging_open(&staging, path, NULL), FCMAE_OK);
    ck_assert_int_ne(access(test_path("folder" FCMAE_TEMPORARY "/left"), F_OK), 0);
    ck_assert_int_eq(fcmae_staging_open(&other, path, NULL), FCMAE_ERR_IO);
    write_bytes(test_path("folder" FCMAE_TEMPORARY "/a"), "a", 1);
    fcmae_staging_discard(&staging);
    ck_assert(access(path, F_OK) != 0 && access(beside, F_OK) != 0);
    for (int round = 0; round < 2; round++) { /* the second time it exists */
        ck_assert_int_eq(fcmae_staging_open(&staging, path, NULL), FCMAE_OK);
        write_bytes(
            test_path(round ? "folder" FCMAE_TEMPORARY "/b" : "folder" FCMAE_TEMPORARY "/a"), "ab",
            2);
        ck_assert_int_eq(fcmae_staging_commit(&staging, NULL), FCMAE_OK);
        ck_assert_int_eq(access(test_path(round ? "folder/b" : "folder/a"), F_OK), 0);
        ck_assert_int_ne(access(beside, F_OK), 0);
    }
    ck_assert_int_eq(access(test_path("folder/a"), F_OK), 0);
    ck_assert_int_eq(fcmae_staging_open(&staging, test_path("folder/a"), NULL), FCMAE_ERR_IO);
}
END_TEST

/* The reason why a small file could not be written, too. */
START_TEST(a_full_disk_is_called_so)
{
    fcmae_error error = {0};
    struct rlimit limit = {1000, 1000}; /* the process of this test only */
    static char bytes[100000];
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    for (size_t size = 1001; size <= sizeof bytes; size *= 8) {
        ck_assert_int_eq(fcmae_file_write(test_path("full"), bytes, size, &error), FCMAE_ERR_IO);
        ck_assert_msg(strstr(error.message, "File too large"), "%s", error.message);
    }
    ck_assert(access(test_path("full"), F_OK) != 0 &&
              access(test_path("full" FCMAE_TEMPORARY), F_OK) != 0);
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, leftovers_are_removed_and_no_others);
    tcase_add_test(cases, folders_are_complete_or_as_before);
    tcase_add_test(cases, a_full_disk_is_called_so);
}

int main(void)
{
    create_test_folder();
    int failed = run_suite("file", add_tests);
    remove_test_folder();
    return failed;
}
