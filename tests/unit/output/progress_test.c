/*
 * Against what k6 v2.2 printed: whole blocks of the recorded runs.
 */
#include "output/progress.h"

#include "base/clock.h"
#include "fixture.h"

static struct buf out;

static int set_up(void **state)
{
    (void)state;
    buf_init(&out, 100000);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_fini(&out);
    return 0;
}

static void column(struct progress_bar *b, const char *s)
{
    (void)snprintf(b->columns[b->columns_len++], PROGRESS_COLUMN_MAX, "%s", s);
}

static struct progress_bar bar(const char *name, enum progress_status status, double fraction,
                               const char *a, const char *b, const char *c)
{
    struct progress_bar x = {.name = name, .status = status, .fraction = fraction};
    column(&x, a);
    column(&x, b);
    if (c)
        column(&x, c);
    return x;
}

static void test_times(void **state)
{
    (void)state;
    static const struct {
        int64_t ms, longest_ms;
        const char *want;
    } cases[] = {
        {0, 2000, "0.0s"},
        {949, 2000, "0.9s"},
        {950, 2000, "1.0s"},
        {3000, 33000, "03.0s"},
        {1000, 60000, "0m01.0s"},
        {61000, 599900, "1m01.0s"},
        {5, 630000, "00m00.0s"},
        {754300, 1000000, "12m34.3s"},
        {3661000, 3600000, "1h01m01.0s"},
        {0, 3600000, "0h00m00.0s"},
        {0, 36000000, "00h00m00.0s"},
        {90061000, 86400000, "1d01h01m01.0s"},
        {0, 864000000, "00d00h00m00.0s"},
        {12000, 2000, "12.0s"}, /* past its end */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[PROGRESS_COLUMN_MAX];
        progress_format_time(text, sizeof text, cases[i].ms * NS_PER_MS,
                             cases[i].longest_ms * NS_PER_MS);
        assert_string_equal(text, cases[i].want);
    }
}

static void test_numbers(void **state)
{
    (void)state;
    char text[PROGRESS_COLUMN_MAX];
    progress_format_count(text, sizeof text, 2, 100);
    assert_string_equal(text, "002");
    progress_format_count(text, sizeof text, 0, 0);
    assert_string_equal(text, "0");
    progress_format_count(text, sizeof text, 12, 9);
    assert_string_equal(text, "12");
    progress_format_rate(text, sizeof text, 5, 5);
    assert_string_equal(text, "5.00");
    progress_format_rate(text, sizeof text, 5, 99.9);
    assert_string_equal(text, "05.00");
    progress_format_rate(text, sizeof text, 5, 100);
    assert_string_equal(text, "005.00");
}

static void describe_demo(bool color)
{
    static const struct progress_scenario_text scenarios[] = {
        {"vus", "2 looping VUs for 2s (exec: a, gracefulStop: 1s)"},
        {"arr",
         "5.00 iterations/s for 2s (maxVUs: 2-4, exec: b, startTime: 1s, gracefulStop: 30s)"},
    };
    struct progress_description d = {.execution = "local",
                                     .script = "demo.js",
                                     .output = "-",
                                     .segment_share = 1,
                                     .vus_most = 6,
                                     .longest_ns = 33 * NS_PER_S,
                                     .scenarios = scenarios,
                                     .scenarios_len = 2};
    progress_describe(&out, color, &d);
}

static void test_description(void **state)
{
    (void)state;
    describe_demo(false);
    struct str want =
        part_of(fixture("k6-outputs/demo-v2.2.0.stdout"), "\n     execution", "\nrunning");
    assert_text(buf_view(&out), want);
}

static void test_banner_stands_where_k6s_does(void **state)
{
    (void)state;
    progress_banner(&out, false);
    /* The lines that k6 has before its description block. */
    struct str theirs = fixture("k6-outputs/demo-v2.2.0.stdout");
    theirs =
        str_new(theirs.ptr, (size_t)(part_of(theirs, "\n     execution", NULL).ptr - theirs.ptr));
    size_t lines[2] = {0};
    struct str texts[2] = {buf_view(&out), theirs};
    for (int i = 0; i < 2; i++) {
        for (size_t k = 0; k < texts[i].len; k++)
            lines[i] += texts[i].ptr[k] == '\n';
    }
    assert_int_equal(lines[0], lines[1]);
    assert_int_equal(texts[0].ptr[0], '\n');
    assert_true(str_ends(texts[0], STR("\n\n")));
    buf_reset(&out);
    progress_banner(&out, true);
    assert_true(str_starts(buf_view(&out), STR("\n\x1b[33m ")));
    assert_true(str_ends(buf_view(&out), STR("\x1b[0m\n\n")));
}

static void test_blocks_of_a_pipe(void **state)
{
    (void)state;
    struct progress_terminal t = {0};
    struct progress_run run = {.started = true,
                               .longest_ns = 33 * NS_PER_S,
                               .vus_most = 6,
                               .elapsed_ns = NS_PER_S,
                               .vus_active = 2,
                               .vus_ready = 4,
                               .iterations_complete = 6};
    struct progress_bar one[] = {bar("vus", PROGRESS_RUNNING, 0.48, "2 VUs", "1.0s/2s", NULL),
                                 bar("arr", PROGRESS_WAITING, 0, "waiting", "0.0s", NULL)};
    progress_draw(&out, &t, &run, one, 2, true);
    run.elapsed_ns = 2 * NS_PER_S;
    run.iterations_complete = 17;
    struct progress_bar two[] = {
        bar("vus", PROGRESS_RUNNING, 0.98, "2 VUs", "2.0s/2s", NULL),
        bar("arr", PROGRESS_RUNNING, 0.48, "0/2 VUs", "1.0s/2s", "5.00 iters/s")};
    progress_draw(&out, &t, &run, two, 2, true);
    run.elapsed_ns = 3 * NS_PER_S;
    run.vus_active = 0;
    run.iterations_complete = 24;
    struct progress_bar three[] = {
        bar("vus", PROGRESS_DONE, 1, "2 VUs", "2s", NULL),
        bar("arr", PROGRESS_RUNNING, 0.98, "0/2 VUs", "2.0s/2s", "5.00 iters/s")};
    progress_draw(&out, &t, &run, three, 2, true);
    struct str file = fixture("k6-outputs/demo-v2.2.0.stdout");
    struct str want = part_of(file, "\nrunning (01.0s)", "\n\n\n");
    assert_text(buf_view(&out), str_new(want.ptr, want.len + 1));
}

static void test_last_block_of_shared_iterations(void **state)
{
    (void)state;
    struct progress_terminal t = {0};
    struct progress_run run = {.started = true,
                               .longest_ns = 630 * NS_PER_S,
                               .elapsed_ns = 9 * NS_PER_MS,
                               .vus_most = 2,
                               .vus_ready = 2,
                               .iterations_complete = 10};
    struct progress_bar b =
        bar("default", PROGRESS_DONE, 1, "2 VUs", "00m00.0s/10m0s", "10/10 shared iters");
    progress_draw(&out, &t, &run, &b, 1, false);
    struct str file = fixture("k6-outputs/simple-v2.2.0.stdout");
    assert_text(buf_view(&out), part_of(file, "\nrunning", "rc=0"));
}

/* The recording has "\r\n", as a terminal turns "\n" into. */
static void to_recording(struct buf *into, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\n')
            buf_byte(into, '\r');
        buf_byte(into, (uint8_t)text.ptr[i]);
    }
}

static void test_terminal(void **state)
{
    (void)state;
    static const struct {
        uint64_t complete;
        int filled; /* of the bar's 38 places */
    } ticks[] = {{244, 1},   {453, 3},   {682, 5},    {898, 7},    {1159, 9},
                 {1496, 11}, {1939, 13}, {2538, 15},  {3158, 16},  {4157, 18},
                 {5101, 20}, {5627, 22}, {6483, 24},  {7168, 26},  {7838, 28},
                 {8604, 30}, {9356, 32}, {10048, 34}, {10401, 35}, {10894, 37}};
    struct progress_terminal t = {.tty = true, .color = true, .width = 100};
    CLEANUP(buf_fini) struct buf recording;
    buf_init(&recording, 100000);
    struct progress_run run = {.started = true,
                               .longest_ns = 32 * NS_PER_S,
                               .vus_most = 2,
                               .vus_active = 2,
                               .vus_ready = 2};
    for (size_t i = 0; i < ARRAY_LEN(ticks); i++) {
        char time[PROGRESS_COLUMN_MAX], of[2 * PROGRESS_COLUMN_MAX];
        int64_t elapsed_ns = ((int64_t)i + 1) * 100 * NS_PER_MS;
        progress_format_time(time, sizeof time, elapsed_ns, 2 * NS_PER_S);
        (void)snprintf(of, sizeof of, "%s/2s", time);
        run.elapsed_ns = elapsed_ns;
        run.iterations_complete = ticks[i].complete;
        struct progress_bar b =
            bar("default", PROGRESS_RUNNING, (ticks[i].filled + 0.5) / 38, "2 VUs", of, NULL);
        progress_draw(&out, &t, &run, &b, 1, true);
    }
    to_recording(&recording, buf_view(&out));
    struct str file = fixture("k6-outputs/tty-v2.2.0.typescript");
    struct str want = part_of(file, "\x1b[K\r\nrunning (00.1s)", "\x1b[0K\r\n\x1b[0K\r\n  \xe2");
    assert_text(buf_view(&recording), want);
}

static void test_terminal_done(void **state)
{
    (void)state;
    struct progress_terminal t = {.tty = true, .color = true, .width = 100};
    struct progress_run run = {.started = true,
                               .longest_ns = 32 * NS_PER_S,
                               .elapsed_ns = 2 * NS_PER_S,
                               .vus_most = 2,
                               .vus_ready = 2,
                               .iterations_complete = 10915};
    struct progress_bar b = bar("default", PROGRESS_DONE, 1, "2 VUs", "2s", NULL);
    progress_draw(&out, &t, &run, &b, 1, false);
    CLEANUP(buf_fini) struct buf recording;
    buf_init(&recording, 10000);
    to_recording(&recording, buf_view(&out));
    struct str file = fixture("k6-outputs/tty-v2.2.0.typescript");
    assert_text(buf_view(&recording),
                part_of(file, "\x1b[K\r\nrunning (02.0s), 0/2 VUs", "\nScript done"));
}

static void test_terminal_description(void **state)
{
    (void)state;
    static const struct progress_scenario_text scenario = {
        "default", "2 looping VUs for 2s (gracefulStop: 30s)"};
    struct progress_description d = {.execution = "local",
                                     .script = "simple.js",
                                     .output = "-",
                                     .segment_share = 1,
                                     .vus_most = 2,
                                     .longest_ns = 32 * NS_PER_S,
                                     .scenarios = &scenario,
                                     .scenarios_len = 1};
    CLEANUP(buf_fini) struct buf lines;
    buf_init(&lines, 10000);
    progress_describe(&out, true, &d);
    progress_tty_lines(&lines, true, buf_view(&out));
    buf_reset(&out);
    to_recording(&out, buf_view(&lines));
    struct str file = fixture("k6-outputs/tty-v2.2.0.typescript");
    assert_text(buf_view(&out), part_of(file, "\x1b[0K\r\n     execution", "\x1b[K\r\nrunning"));
}

static void test_narrow_terminal(void **state)
{
    (void)state;
    struct progress_terminal t = {.tty = true, .width = 40};
    struct progress_run run = {.started = true, .longest_ns = NS_PER_S, .vus_most = 1};
    struct progress_bar b = bar("default", PROGRESS_RUNNING, 0.5, "1 VUs", "0.5s/1s", NULL);
    progress_draw(&out, &t, &run, &b, 1, true);
    /* Two lines of the block don't fit: back over four lines. */
    assert_true(str_ends(buf_view(&out), STR("\r\x1b[J\x1b[5A")));
    buf_reset(&out);
    progress_draw(&out, &t, &run, &b, 1, true);
    assert_text(part_of(buf_view(&out), "default", NULL),
                STR("default   [=====>------] 1 VUs  0.5s/1s\x1b[K\n\r\x1b[J\x1b[4A"));
    t.width = 20;
    progress_draw(&out, &t, &run, &b, 1, true);
    buf_reset(&out);
    progress_draw(&out, &t, &run, &b, 1, true);
    assert_true(memmem(out.data, out.len, "[  50% ]", 8) != NULL);
}

static void test_phases_and_long_names(void **state)
{
    (void)state;
    struct progress_terminal t = {0};
    struct progress_run run = {
        .phase = "Init", .phase_fraction = 0.4, .phase_text = "04/10 VUs initialized"};
    struct progress_bar b = {.name = "a_scenario_with_a_name_that_is_too_long"};
    progress_draw(&out, &t, &run, &b, 1, true);
    assert_text(buf_view(&out),
                STR("\nInit                             [  40% ] 04/10 VUs initialized\n"
                    "a_scenario_with_a_name_that...   [   0% ]\n"));
    buf_reset(&out);
    b.name = "x";
    run = (struct progress_run){.phase = "Run", .phase_fraction = 1, .phase_text = "setup()"};
    progress_draw(&out, &t, &run, &b, 1, true);
    assert_text(buf_view(&out), STR("\nRun    [ 100% ] setup()\nx      [   0% ]\n"));
}

static void test_paused(void **state)
{
    (void)state;
    struct progress_terminal t = {0};
    struct progress_run run = {.paused = true, .vus_most = 10, .vus_ready = 10};
    progress_draw(&out, &t, &run, NULL, 0, true);
    assert_text(buf_view(&out),
                STR("\npaused, 00/10 VUs, 0 complete and 0 interrupted iterations\n"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_times),
        TEST(test_numbers),
        TEST(test_description),
        TEST(test_banner_stands_where_k6s_does),
        TEST(test_blocks_of_a_pipe),
        TEST(test_last_block_of_shared_iterations),
        TEST(test_terminal),
        TEST(test_terminal_done),
        TEST(test_terminal_description),
        TEST(test_narrow_terminal),
        TEST(test_phases_and_long_names),
        TEST(test_paused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
