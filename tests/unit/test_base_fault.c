/* tests/unit/test_base_fault.c — arming, counting and every action of a fault point. */
#include "base/fault.h"

#include "base/clock.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int disarm(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    return fault_arm("", &e) ? 0 : -1;
}

static void unarmed_points_pass(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    assert_int_equal(fault_armed, 0);
    assert_true(FAULT_POINT("unit.unarmed", &e));
    assert_int_equal(e.code, ERR_NONE);
}

static void fail_fires_once_at_the_first_passing(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    assert_true(fault_arm("unit.a:fail", &e));
    assert_true(FAULT_POINT("unit.b", &e));
    assert_false(FAULT_POINT("unit.a", &e));
    assert_int_equal(e.code, ERR_FAULT_INJECTED);
    assert_non_null(strstr(e.text, "unit.a"));
    assert_true(FAULT_POINT("unit.a", &e));
}

static void the_nth_passing_and_every_passing_can_be_chosen(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    assert_true(fault_arm("unit.c:fail:3,unit.d:fail:*", &e));
    assert_true(FAULT_POINT("unit.c", &e));
    assert_true(FAULT_POINT("unit.c", &e));
    assert_false(FAULT_POINT("unit.c", &e));
    assert_true(FAULT_POINT("unit.c", &e));
    for (int i = 0; i < 5; i++)
        assert_false(FAULT_POINT("unit.d", &e));
}

static void delays_wait_and_go_on(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    assert_true(fault_arm("unit.e:delay=25", &e));
    int64_t start_ms = clock_mono_ms();
    assert_true(FAULT_POINT("unit.e", &e));
    assert_true(clock_mono_ms() - start_ms >= 24);
}

static int run_in_child(const char *spec)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (!fault_arm(spec, NULL))
            _exit(99);
        bool goes_on = FAULT_POINT("unit.child", NULL);
        _exit(goes_on ? 0 : 98);
    }
    int status = -1;
    waitpid(pid, &status, WUNTRACED);
    if (WIFSTOPPED(status)) {
        int seen = status;
        kill(pid, SIGCONT);
        waitpid(pid, &status, 0);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        return seen;
    }
    return status;
}

static void kill_exit_and_stop_act_on_the_process(void **state)
{
    (void)state;
    int status = run_in_child("unit.child:kill");
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    status = run_in_child("unit.child:exit=42");
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    status = run_in_child("unit.child:stop");
    assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    status = run_in_child("unit.other:kill");
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static unsigned failures_of_seed(const char *spec, unsigned *pattern)
{
    struct err e = ERR_INIT;
    unsigned n = 0;
    *pattern = 0;
    assert_true(fault_arm(spec, &e));
    for (unsigned i = 0; i < 1000; i++) {
        bool fails = !FAULT_POINT("unit.seeded", &e);
        n += fails;
        *pattern = *pattern * 31 + fails;
    }
    return n;
}

static void a_seeded_draw_repeats_itself(void **state)
{
    (void)state;
    unsigned first, again, other;
    unsigned n = failures_of_seed("seed=7:fail:100", &first);
    assert_in_range(n, 50, 160);
    assert_int_equal(failures_of_seed("seed=7:fail:100", &again), n);
    assert_int_equal(first, again);
    failures_of_seed("seed=8:fail:100", &other);
    assert_int_not_equal(first, other);
    assert_int_equal(failures_of_seed("seed=7:fail:0", &other), 0);
}

static void nonsense_is_refused_and_arms_nothing(void **state)
{
    (void)state;
    static const char *bad[] = {"x",         "x:die",      ":fail",       "x:fail:0", "x:fail:1:2",
                                "x:delay=-", "x:exit=256", "seed=1:kill", "a:fail,b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err e = ERR_INIT;
        assert_false(fault_arm(bad[i], &e));
        assert_int_equal(e.code, ERR_USAGE);
        assert_int_equal(fault_armed, 0);
    }
}

static void watching_counts_every_point(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    CLEANUP(buf_fini) struct buf b = BUF_INIT;
    assert_true(fault_arm("watch", &e));
    for (int i = 0; i < 4; i++)
        assert_true(FAULT_POINT("unit.watched", &e));
    fault_list(&b);
    assert_non_null(strstr(buf_str(&b), "unit.watched\t4\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(unarmed_points_pass, disarm),
        cmocka_unit_test_teardown(fail_fires_once_at_the_first_passing, disarm),
        cmocka_unit_test_teardown(the_nth_passing_and_every_passing_can_be_chosen, disarm),
        cmocka_unit_test_teardown(delays_wait_and_go_on, disarm),
        cmocka_unit_test_teardown(kill_exit_and_stop_act_on_the_process, disarm),
        cmocka_unit_test_teardown(a_seeded_draw_repeats_itself, disarm),
        cmocka_unit_test_teardown(nonsense_is_refused_and_arms_nothing, disarm),
        cmocka_unit_test_teardown(watching_counts_every_point, disarm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
