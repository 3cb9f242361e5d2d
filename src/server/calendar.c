#include "server/calendar.h"

#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "server/time_arg.h"
#include "server/zone.h"

static const char *const weekdays[] = {"SU", "MO", "TU", "WE", "TH", "FR", "SA"};
static const char *const month_names[] = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                          "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
static const char *const day_names[] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};

/* 2255: what is later doesn't matter, and still fits into nanoseconds. */
static const int64_t last_s = 9000000000;

enum { DAY_S = 24 * 3600, STEPS_MAX = 200000, CRON_DAYS_MAX = 366 * 9 };

static struct str text_of(yyjson_val *v)
{
    return yyjson_is_str(v) ? str_new(yyjson_get_str(v), yyjson_get_len(v)) : STR_EMPTY;
}

/* ---- recurrence rules ---- */

enum frequency { HOURLY, DAILY, WEEKLY, MONTHLY, YEARLY, FREQUENCIES };

struct rule {
    enum frequency frequency;
    int64_t interval;
    unsigned days; /* WEEKLY: bit of each weekday, Sunday first */
    int64_t until_s;
    int64_t count; /* 0: no end */
};

static int read_days(yyjson_val *list, struct rule *ret)
{
    size_t i, count;
    yyjson_val *one;
    if (!yyjson_is_arr(list))
        return 0;
    if (ret->frequency != WEEKLY)
        return err_set(E_CONFIG, "byday: only with the frequency WEEKLY");
    yyjson_arr_foreach(list, i, count, one)
    {
        for (size_t day = 0; day < ARRAY_LEN(weekdays); day++)
            if (str_eqz(text_of(one), weekdays[day]))
                ret->days |= 1u << day;
    }
    return 0;
}

static int read_rule(yyjson_val *rule, struct rule *ret)
{
    static const char *const names[FREQUENCIES] = {"HOURLY", "DAILY", "WEEKLY", "MONTHLY",
                                                   "YEARLY"};
    struct str frequency = text_of(yyjson_obj_get(rule, "frequency"));
    yyjson_val *interval = yyjson_obj_get(rule, "interval");
    yyjson_val *count = yyjson_obj_get(rule, "count");
    struct str until = text_of(yyjson_obj_get(rule, "until"));
    int64_t until_ns = 0;
    *ret = (struct rule){.frequency = FREQUENCIES, .interval = 1, .until_s = INT64_MAX};
    for (size_t i = 0; i < FREQUENCIES; i++)
        if (str_eqz(frequency, names[i]))
            ret->frequency = (enum frequency)i;
    if (ret->frequency == FREQUENCIES)
        return err_set(E_CONFIG, "frequency: not one that is known");
    if (yyjson_is_int(interval))
        ret->interval = yyjson_get_sint(interval);
    if (ret->interval < 1 || ret->interval > 100000)
        return err_set(E_CONFIG, "interval: from 1 to 100000");
    if (yyjson_is_int(count))
        ret->count = yyjson_get_sint(count);
    if (until.ptr) {
        int rc = time_parse(until, &until_ns);
        if (rc < 0)
            return err_wrap(rc, "until");
        ret->until_s = until_ns / NS_PER_S;
    }
    return read_days(yyjson_obj_get(rule, "byday"), ret);
}

static int days_of_month(int64_t year, int64_t month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month] + (month == 1 && leap);
}

/* `months` later, the day held within the month. */
static int64_t add_months(int64_t start_s, int64_t months)
{
    time_t t = (time_t)start_s;
    struct tm tm;
    gmtime_r(&t, &tm);
    int64_t month = tm.tm_mon + months;
    int64_t year = tm.tm_year + 1900 + month / 12;
    month %= 12;
    tm.tm_year = (int)(year - 1900);
    tm.tm_mon = (int)month;
    tm.tm_mday = MIN(tm.tm_mday, days_of_month(year, month));
    return (int64_t)timegm(&tm);
}

/* The n-th step of the rule; of WEEKLY the week, whose days are looked at one by one. */
static int64_t step_of(const struct rule *r, int64_t start_s, int64_t n)
{
    static const int64_t lengths[] = {[HOURLY] = 3600, [DAILY] = DAY_S, [WEEKLY] = 7 * DAY_S};
    if (r->frequency <= WEEKLY)
        return start_s + n * r->interval * lengths[r->frequency];
    return add_months(start_s, n * r->interval * (r->frequency == YEARLY ? 12 : 1));
}

/* Where to begin to look, at or before the step sought; 0 when every occurrence has to be counted.
 */
static int64_t first_step(const struct rule *r, int64_t start_s, int64_t after_s)
{
    static const int64_t longest[] = {3600, DAY_S, 7 * DAY_S, 31 * DAY_S, 366 * DAY_S};
    if (after_s <= start_s || (r->frequency == WEEKLY && r->count > 0))
        return 0;
    return MAX((after_s - start_s) / (longest[r->frequency] * r->interval) - 1, (int64_t)0);
}

static int weekday_of(int64_t s)
{
    return (int)((s / DAY_S + 4) % 7); /* the epoch was a Thursday */
}

/* True when the occurrence at `s` is the one sought, or none can follow (*ret 0). */
static bool take(const struct rule *r, int64_t s, int64_t number, int64_t after_s, int64_t *ret)
{
    *ret = 0;
    if (s > last_s || s > r->until_s || (r->count > 0 && number >= r->count))
        return true;
    *ret = s;
    return s > after_s;
}

/* Days of a week from Monday on, at the time of day of the start. */
static bool take_week(const struct rule *r, int64_t start_s, int64_t week_s, int64_t after_s,
                      int64_t *number, int64_t *ret)
{
    int64_t monday = week_s - (weekday_of(week_s) + 6) % 7 * DAY_S;
    for (int i = 0; i < 7; i++) {
        int64_t day = monday + i * DAY_S;
        if (day < start_s || !(r->days & 1u << weekday_of(day)))
            continue;
        if (take(r, day, (*number)++, after_s, ret))
            return true;
    }
    return false;
}

int calendar_next_by_rule(yyjson_val *rule, int64_t starts_ns, int64_t after_ns, int64_t *ret_ns)
{
    struct rule r;
    int rc = read_rule(rule, &r);
    if (rc < 0)
        return rc;
    int64_t start_s = starts_ns / NS_PER_S;
    int64_t after_s = after_ns / NS_PER_S;
    int64_t found = 0;
    int64_t number = 0; /* of weekly occurrences so far */
    int64_t n = first_step(&r, start_s, after_s);
    bool done = false;
    if (r.frequency == WEEKLY && r.days == 0)
        r.days = 1u << weekday_of(start_s);
    for (int64_t end = n + STEPS_MAX; n < end && !done; n++) {
        int64_t s = step_of(&r, start_s, n);
        done = r.frequency == WEEKLY ? take_week(&r, start_s, s, after_s, &number, &found)
                                     : take(&r, s, n, after_s, &found);
    }
    *ret_ns = done ? found * NS_PER_S : 0;
    return 0;
}

/* ---- cron ---- */

struct cron {
    uint64_t minutes;
    uint64_t hours;
    uint64_t days; /* of the month, from bit 1 */
    uint64_t months;
    uint64_t weekdays;
    bool any_day; /* the field was * */
    bool any_weekday;
};

/* A number, or a name of the list. */
static int read_value(struct str text, const char *const *names, size_t names_len, int base,
                      int64_t *ret)
{
    for (size_t i = 0; i < names_len; i++) {
        if (str_ieq(text, str_of(names[i]))) {
            *ret = (int64_t)i + base;
            return 0;
        }
    }
    return str_to_i64(text, ret);
}

struct cron_field {
    const char *name;
    int low, high;
    const char *const *names;
    size_t names_len;
};

/* "*", "5", "1-5", "* /2", "1-10/3". */
static int read_part(struct str part, const struct cron_field *f, uint64_t *set)
{
    struct str step_text;
    struct str last_text;
    struct str range = str_cut(part, '/', &step_text);
    int64_t low = f->low;
    int64_t high = f->high;
    int64_t step = 1;
    bool good = true;
    if (!str_eq(range, STR("*"))) {
        struct str first = str_cut(range, '-', &last_text);
        good = read_value(first, f->names, f->names_len, f->low, &low) == 0;
        if (last_text.ptr)
            good = good && read_value(last_text, f->names, f->names_len, f->low, &high) == 0;
        else if (!step_text.ptr)
            high = low;
    }
    if (step_text.ptr)
        good = good && str_to_i64(step_text, &step) == 0;
    if (!good || step < 1 || low < f->low || high > f->high || low > high)
        return err_set(E_CONFIG, "schedule: \"%.*s\" is no %s (%d to %d)", STR_ARG(part), f->name,
                       f->low, f->high);
    for (int64_t v = low; v <= high; v += step)
        *set |= 1ull << v;
    return 0;
}

static int read_field(struct str text, const struct cron_field *f, uint64_t *set)
{
    int rc = text.len > 0 ? 0 : err_set(E_CONFIG, "schedule: the %s is missing", f->name);
    while (rc == 0 && text.ptr)
        rc = read_part(str_cut(text, ',', &text), f, set);
    return rc;
}

static struct str long_form(struct str text)
{
    static const struct {
        const char *name;
        const char *fields;
    } macros[] = {
        {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
        {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@hourly", "0 * * * *"},
    };
    for (size_t i = 0; i < ARRAY_LEN(macros); i++)
        if (str_eqz(text, macros[i].name))
            return str_of(macros[i].fields);
    return text;
}

static int read_cron(struct str text, struct cron *ret)
{
    const struct {
        struct cron_field field;
        uint64_t *set;
    } fields[] = {
        {{"minute", 0, 59, NULL, 0}, &ret->minutes},
        {{"hour", 0, 23, NULL, 0}, &ret->hours},
        {{"day", 1, 31, NULL, 0}, &ret->days},
        {{"month", 1, 12, month_names, ARRAY_LEN(month_names)}, &ret->months},
        {{"weekday", 0, 7, day_names, ARRAY_LEN(day_names)}, &ret->weekdays},
    };
    *ret = (struct cron){0};
    text = long_form(str_trim(text));
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        struct str word = str_cut(text, ' ', &text);
        while (word.ptr && word.len == 0 && text.ptr)
            word = str_cut(text, ' ', &text);
        int rc = read_field(word, &fields[i].field, fields[i].set);
        if (rc < 0)
            return rc;
        if (i == 2)
            ret->any_day = str_eq(word, STR("*"));
        if (i == 4)
            ret->any_weekday = str_eq(word, STR("*"));
    }
    if (text.ptr && str_trim(text).len > 0)
        return err_set(E_CONFIG, "schedule: five fields are needed");
    if (ret->weekdays & 1u << 7)
        ret->weekdays |= 1;
    return 0;
}

/* As cron does: where both are given, either of day and weekday is enough. */
static bool is_day(const struct cron *c, const struct tm *tm)
{
    bool day = c->days >> tm->tm_mday & 1;
    bool weekday = c->weekdays >> tm->tm_wday & 1;
    if (!(c->months >> (tm->tm_mon + 1) & 1))
        return false;
    return c->any_day || c->any_weekday ? day && weekday : day || weekday;
}

/* The first time of a local day that is after `after_s`; 0: none. */
static int64_t next_in_day(const struct cron *c, const struct zone *z, int64_t day_s,
                           int64_t after_s)
{
    for (int hour = 0; hour < 24; hour++) {
        for (int minute = 0; minute < 60 && (c->hours >> hour & 1); minute++) {
            int64_t s = 0;
            if ((c->minutes >> minute & 1) &&
                zone_to_utc(z, day_s + hour * 3600 + minute * 60, &s) && s > after_s)
                return s;
        }
    }
    return 0;
}

int calendar_next_by_cron(yyjson_val *cron, int64_t starts_ns, int64_t after_ns, int64_t *ret_ns)
{
    struct cron c;
    CLEANUP(zone_fini) struct zone z = {0};
    int rc = read_cron(text_of(yyjson_obj_get(cron, "schedule")), &c);
    if (rc == 0)
        rc = zone_load(text_of(yyjson_obj_get(cron, "time_zone")), &z);
    if (rc < 0)
        return rc;
    int64_t after_s = MAX(after_ns / NS_PER_S, starts_ns / NS_PER_S - 1);
    int64_t local = after_s + zone_offset(&z, after_s);
    int64_t day_s = local - ((local % DAY_S) + DAY_S) % DAY_S;
    *ret_ns = 0;
    for (int i = 0; i < CRON_DAYS_MAX; i++, day_s += DAY_S) {
        time_t t = (time_t)day_s;
        struct tm tm;
        gmtime_r(&t, &tm);
        int64_t s = is_day(&c, &tm) ? next_in_day(&c, &z, day_s, after_s) : 0;
        if (s > 0) {
            *ret_ns = s * NS_PER_S;
            return 0;
        }
    }
    return 0;
}
