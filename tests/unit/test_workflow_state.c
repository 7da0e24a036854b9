/* tests/unit/test_workflow_state.c — the table of workflow states keeps its own rules. */
#include "vrepl/workflow/engine.h"
#include "vrepl/workflow/workflow_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void one_next_state_for_each_event(void **ctx)
{
    (void)ctx;
    for (size_t i = 0; i < wf_n_transitions; i++) {
        for (size_t k = i + 1; k < wf_n_transitions; k++)
            assert_false(wf_transitions[i].state == wf_transitions[k].state &&
                         wf_transitions[i].event == wf_transitions[k].event);
    }
}

static void every_stored_state_is_taken_over(void **ctx)
{
    (void)ctx;
    for (unsigned s = WF_CREATING; s < WF_STATE_COUNT; s++)
        assert_non_null(wf_transition_find((enum wf_state)s, WF_EVENT_FOUND));
}

static void every_state_is_reached_and_left(void **ctx)
{
    (void)ctx;
    for (unsigned s = WF_CREATING; s < WF_STATE_COUNT; s++) {
        bool in = false, out = false;
        for (size_t i = 0; i < wf_n_transitions; i++) {
            const struct wf_transition *t = &wf_transitions[i];
            in = in || (t->next == s && t->state != s);
            out = out || (t->state == s && t->next != s);
        }
        assert_true(in && out);
    }
}

static void a_decision_has_no_way_back(void **ctx)
{
    (void)ctx;
    for (size_t i = 0; i < wf_n_transitions; i++) {
        const struct wf_transition *t = &wf_transitions[i];
        if (t->state != WF_DECIDED && t->state != WF_REVERSE_DECIDED)
            continue;
        assert_true(t->event == WF_EVENT_FINISH || t->event == WF_EVENT_FINISH_STOPPED ||
                    (t->event == WF_EVENT_FOUND && t->next == t->state));
    }
}

static void a_decision_comes_from_a_switch_alone(void **ctx)
{
    (void)ctx;
    for (size_t i = 0; i < wf_n_transitions; i++) {
        const struct wf_transition *t = &wf_transitions[i];
        if (t->next == WF_DECIDED && t->state != WF_DECIDED)
            assert_int_equal(t->state, WF_SWITCHING);
        if (t->next == WF_REVERSE_DECIDED && t->state != WF_REVERSE_DECIDED)
            assert_int_equal(t->state, WF_REVERSING);
    }
}

static void a_fence_is_removed_only_where_no_decision_can_match(void **ctx)
{
    (void)ctx;
    for (size_t i = 0; i < wf_n_transitions; i++) {
        const struct wf_transition *t = &wf_transitions[i];
        if (t->action != WF_ACT_REMOVE_FENCE)
            continue;
        assert_null(wf_transition_find(t->next, WF_EVENT_DECIDE));
    }
}

static void no_cancel_while_the_target_serves_and_no_complete_while_the_source_does(void **ctx)
{
    (void)ctx;
    for (unsigned s = WF_CREATING; s < WF_STATE_COUNT; s++) {
        enum wf_state st = (enum wf_state)s;
        if (wf_state_target_serves(st))
            assert_null(wf_transition_find(st, WF_EVENT_CANCEL));
        else
            assert_null(wf_transition_find(st, WF_EVENT_COMPLETE));
    }
}

static void serving_changes_with_a_decision_alone(void **ctx)
{
    (void)ctx;
    for (size_t i = 0; i < wf_n_transitions; i++) {
        const struct wf_transition *t = &wf_transitions[i];
        if (t->next == WF_NONE)
            continue;
        bool changes = wf_state_target_serves(t->state) != wf_state_target_serves(t->next);
        assert_int_equal(changes, t->event == WF_EVENT_DECIDE);
    }
}

static void names_are_parsed_back(void **ctx)
{
    (void)ctx;
    for (unsigned s = WF_NONE; s < WF_STATE_COUNT; s++) {
        enum wf_state got = WF_STATE_COUNT;
        assert_true(wf_state_parse(wf_state_name((enum wf_state)s), &got));
        assert_int_equal(got, s);
    }
    enum wf_state unused;
    assert_false(wf_state_parse("half-way", &unused));
}

static void the_graph_draws_every_transition(void **ctx)
{
    (void)ctx;
    struct buf b = BUF_INIT;
    char edge[128];
    vrepl_graph(&b);
    for (size_t i = 0; i < wf_n_transitions; i++) {
        snprintf(edge, sizeof edge, "%s -> %s [label=\"%s\\n%s\"",
                 wf_state_name(wf_transitions[i].state), wf_state_name(wf_transitions[i].next),
                 wf_event_name(wf_transitions[i].event), wf_action_name(wf_transitions[i].action));
        assert_non_null(strstr(buf_str(&b), edge));
    }
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_next_state_for_each_event),
        cmocka_unit_test(every_stored_state_is_taken_over),
        cmocka_unit_test(every_state_is_reached_and_left),
        cmocka_unit_test(a_decision_has_no_way_back),
        cmocka_unit_test(a_decision_comes_from_a_switch_alone),
        cmocka_unit_test(a_fence_is_removed_only_where_no_decision_can_match),
        cmocka_unit_test(no_cancel_while_the_target_serves_and_no_complete_while_the_source_does),
        cmocka_unit_test(serving_changes_with_a_decision_alone),
        cmocka_unit_test(names_are_parsed_back),
        cmocka_unit_test(the_graph_draws_every_transition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
