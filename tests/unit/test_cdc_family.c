/* tests/unit/test_cdc_family.c — from where each shard is read across splits and merges. */
#include "base/mem.h"
#include "cdc/vstream/family.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static char keyspace[] = "c", whole[] = "-", left[] = "-80", right[] = "80-";
enum { WHOLE, LEFT, RIGHT };
static struct cdc_journal_shard halves_at[] = {{keyspace, left, (char[]){"FilePos/l.000001:4"}},
                                               {keyspace, right, (char[]){"FilePos/r.000001:4"}}};
static struct cdc_journal_shard whole_at[] = {{keyspace, whole, (char[]){"FilePos/w.000009:4"}}};
static struct cdc_journal_shard halves[] = {{keyspace, left, NULL}, {keyspace, right, NULL}};
static struct cdc_journal_shard one[] = {{keyspace, whole, NULL}};
static const struct cdc_journal split = {.id = 5,
                                         .shards = true,
                                         .shard_gtids = halves_at,
                                         .n_shard_gtids = 2,
                                         .participants = one,
                                         .n_participants = 1};
static const struct cdc_journal merge = {.id = 7,
                                         .shards = true,
                                         .shard_gtids = whole_at,
                                         .n_shard_gtids = 1,
                                         .participants = halves,
                                         .n_participants = 2};

struct fixture {
    struct family_shard shards[3];
    struct family family;
};

static void open_family(struct fixture *f)
{
    static const char *const names[] = {"-", "-80", "80-"};
    struct err e = ERR_INIT;
    *f = (struct fixture){.family = {.keyspace = keyspace, .n = 3}};
    f->family.shards = f->shards;
    for (size_t i = 0; i < 3; i++) {
        f->shards[i].name = names[i];
        assert_true(keyrange_parse(names[i], &f->shards[i].range, &e));
    }
}

static void know(struct family_shard *s, const char *at)
{
    struct err e = ERR_INIT;
    s->known = true;
    assert_true(position_parse(at, &s->at, &e));
}

static void end(struct family_shard *s, const struct cdc_journal *j)
{
    know(s, "FilePos/b.000001:100");
    s->ended = true;
    s->journal = *j; /* borrowed: never given to family_shard_fini */
}

static enum family_start start(const struct fixture *f, size_t i, const char **gtid)
{
    return family_start(&f->family, i, gtid);
}

static void who_is_new_begins_where_the_stream_does(void **state)
{
    struct fixture f;
    const char *gtid;
    (void)state;
    open_family(&f);
    f.shards[WHOLE].serves = true;
    assert_int_equal(start(&f, WHOLE, &gtid), FAMILY_IS_NEW);
    assert_int_equal(start(&f, LEFT, &gtid), FAMILY_RESTS);
    know(&f.shards[WHOLE], "FilePos/b.000001:4");
    assert_int_equal(start(&f, WHOLE, &gtid), FAMILY_GOES_ON);
}

/* The split came while nobody read: the parent does not serve any more, and is read to its end. */
static void a_missed_split_is_read_to_its_journal_first(void **state)
{
    struct fixture f;
    const char *gtid;
    (void)state;
    open_family(&f);
    f.shards[LEFT].serves = f.shards[RIGHT].serves = true;
    know(&f.shards[WHOLE], "FilePos/b.000001:4");
    assert_int_equal(start(&f, WHOLE, &gtid), FAMILY_GOES_ON);
    assert_int_equal(start(&f, LEFT, &gtid), FAMILY_WAITS);
    end(&f.shards[WHOLE], &split);
    assert_int_equal(start(&f, WHOLE, &gtid), FAMILY_RESTS);
    assert_int_equal(start(&f, LEFT, &gtid), FAMILY_INHERITS);
    assert_string_equal(gtid, "FilePos/l.000001:4");
    assert_int_equal(start(&f, RIGHT, &gtid), FAMILY_INHERITS);
    assert_string_equal(gtid, "FilePos/r.000001:4");
}

static void a_merged_shard_waits_for_both_parents(void **state)
{
    struct fixture f;
    const char *gtid;
    (void)state;
    open_family(&f);
    f.shards[WHOLE].serves = true;
    end(&f.shards[LEFT], &merge);
    know(&f.shards[RIGHT], "FilePos/b.000001:4");
    assert_false(family_reached_by_all(&f.family, &merge));
    assert_int_equal(start(&f, WHOLE, &gtid), FAMILY_WAITS);
    end(&f.shards[RIGHT], &merge);
    assert_true(family_reached_by_all(&f.family, &merge));
    assert_int_equal(start(&f, WHOLE, &gtid), FAMILY_INHERITS);
    assert_string_equal(gtid, "FilePos/w.000009:4");
}

static void a_parent_without_a_position_is_waited_for_while_it_serves(void **state)
{
    struct fixture f;
    (void)state;
    open_family(&f);
    end(&f.shards[LEFT], &merge);
    assert_true(family_reached_by_all(&f.family, &merge)); /* the other one is not read */
    f.shards[RIGHT].serves = true;
    assert_false(family_reached_by_all(&f.family, &merge));
}

static void an_earlier_journal_is_not_the_one_that_is_waited_for(void **state)
{
    struct cdc_journal earlier = merge;
    struct fixture f;
    (void)state;
    open_family(&f);
    earlier.id = 6;
    end(&f.shards[LEFT], &merge);
    end(&f.shards[RIGHT], &earlier);
    assert_false(family_reached_by_all(&f.family, &merge));
    assert_true(family_reached_by_all(&f.family, &earlier));
}

static void a_second_parent_does_not_set_a_child_back(void **state)
{
    struct fixture f;
    struct position at = POSITION_INIT;
    struct err e = ERR_INIT;
    (void)state;
    open_family(&f);
    assert_true(position_parse("FilePos/w.000009:4", &at, &e));
    assert_false(family_is_further(&f.shards[WHOLE], merge.id, &at));
    know(&f.shards[WHOLE], "FilePos/w.000009:900");
    assert_true(family_is_further(&f.shards[WHOLE], merge.id, &at));
    know(&f.shards[WHOLE], "FilePos/w.000008:900");
    assert_false(family_is_further(&f.shards[WHOLE], merge.id, &at));
    end(&f.shards[WHOLE], &split); /* it served before the split, and now serves again */
    assert_false(family_is_further(&f.shards[WHOLE], merge.id, &at));
    struct cdc_journal later = split;
    later.id = 9;
    end(&f.shards[WHOLE], &later); /* it was read to its end already */
    assert_true(family_is_further(&f.shards[WHOLE], merge.id, &at));
}

/* A crash came between the ends of both parents and the start of their child, which had ended by an
 * earlier split: nothing but their journals says that it goes on. */
static void who_served_before_begins_again_after_a_reshard_back(void **state)
{
    struct fixture f;
    const char *gtid;
    (void)state;
    open_family(&f);
    f.shards[WHOLE].serves = true;
    end(&f.shards[WHOLE], &split);
    end(&f.shards[LEFT], &merge);
    know(&f.shards[RIGHT], "FilePos/b.000001:4");
    assert_int_equal(start(&f, WHOLE, &gtid), FAMILY_WAITS);
    end(&f.shards[RIGHT], &merge);
    assert_int_equal(start(&f, WHOLE, &gtid), FAMILY_INHERITS);
    assert_string_equal(gtid, "FilePos/w.000009:4");
    assert_int_equal(start(&f, LEFT, &gtid), FAMILY_RESTS); /* the split that named it is older */
    f.shards[WHOLE].serves = false; /* and was split again: it is read up to that */
    assert_int_equal(start(&f, WHOLE, &gtid), FAMILY_INHERITS);
}

/* A crash kept the children of the split from beginning; when the stream is opened again they have
 * been merged. The other half of them began, and is at the merge's journal. */
static void a_child_that_never_began_is_read_before_its_own_children(void **state)
{
    struct fixture f;
    const char *gtid;
    (void)state;
    open_family(&f);
    f.shards[WHOLE].serves = true;
    end(&f.shards[WHOLE], &split);
    assert_int_equal(start(&f, LEFT, &gtid), FAMILY_INHERITS);
    assert_string_equal(gtid, "FilePos/l.000001:4");
    end(&f.shards[RIGHT], &merge);
    assert_int_equal(start(&f, LEFT, &gtid), FAMILY_INHERITS);
    assert_int_equal(start(&f, WHOLE, &gtid), FAMILY_WAITS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_new_begins_where_the_stream_does),
        cmocka_unit_test(a_missed_split_is_read_to_its_journal_first),
        cmocka_unit_test(a_merged_shard_waits_for_both_parents),
        cmocka_unit_test(a_parent_without_a_position_is_waited_for_while_it_serves),
        cmocka_unit_test(an_earlier_journal_is_not_the_one_that_is_waited_for),
        cmocka_unit_test(a_second_parent_does_not_set_a_child_back),
        cmocka_unit_test(who_served_before_begins_again_after_a_reshard_back),
        cmocka_unit_test(a_child_that_never_began_is_read_before_its_own_children),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
