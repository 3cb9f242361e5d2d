#include "cmd/templates.h"

#include "base/err.h"

#include <stdbool.h>
#include <string.h>

#define PROJECT                                                                                    \
    "{{ if .ProjectID }}\n"                                                                        \
    "  cloud: { projectID: {{ .ProjectID }}, name: '{{ .ScriptName }}' },{{ end }}\n"

static const char minimal[] =
    "import { check, sleep } from 'k6';\n"
    "import http from 'k6/http';\n"
    "\n"
    "// The system under test: -e URL=http://shop.example/ sets another.\n"
    "const url = __ENV.URL || 'http://127.0.0.1:8080/';\n"
    "\n"
    "export const options = {\n"
    "  vus: 10,\n"
    "  duration: '30s'," PROJECT "};\n"
    "\n"
    "// What each virtual user does, over and over.\n"
    "export default function () {\n"
    "  const res = http.get(url);\n"
    "  check(res, { 'status is 200': (r) => r.status === 200 });\n"
    "  sleep(1);\n"
    "}\n";

static const char protocol[] =
    "import { check, group, sleep } from 'k6';\n"
    "import exec from 'k6/execution';\n"
    "import http from 'k6/http';\n"
    "import { Trend } from 'k6/metrics';\n"
    "\n"
    "// The system under test: -e URL=http://shop.example sets another.\n"
    "const url = __ENV.URL || 'http://127.0.0.1:8080';\n"
    "const orderTime = new Trend('order_time', true);\n"
    "\n"
    "export const options = {\n"
    "  scenarios: {\n"
    "    // More and more visitors, then none.\n"
    "    visitors: {\n"
    "      executor: 'ramping-vus',\n"
    "      stages: [\n"
    "        { duration: '10s', target: 5 },\n"
    "        { duration: '20s', target: 5 },\n"
    "        { duration: '5s', target: 0 },\n"
    "      ],\n"
    "    },\n"
    "  },\n"
    "  // The test fails when one of these doesn't hold.\n"
    "  thresholds: {\n"
    "    http_req_failed: ['rate<0.01'],\n"
    "    http_req_duration: ['p(95)<500', 'p(99)<1000'],\n"
    "  }," PROJECT "};\n"
    "\n"
    "// Once, before everybody: is the system there at all?\n"
    "export function setup() {\n"
    "  const res = http.get(url);\n"
    "  if (res.status !== 200) exec.test.abort(`${url} answers with ${res.status}`);\n"
    "}\n"
    "\n"
    "export default function () {\n"
    "  group('look around', () => {\n"
    "    const [page, api] = http.batch([`${url}/`, `${url}/api/items`]);\n"
    "    check(page, { 'the page is there': (r) => r.status === 200 });\n"
    "    check(api, { 'so are the items': (r) => r.status === 200 });\n"
    "  });\n"
    "  sleep(1);\n"
    "\n"
    "  group('order', () => {\n"
    "    const body = JSON.stringify({ item: 1, visitor: exec.vu.idInTest });\n"
    "    const headers = { 'Content-Type': 'application/json' };\n"
    "    const res = http.post(`${url}/api/orders`, body, { headers, tags: { name: 'order' } });\n"
    "    check(res, { 'the order is taken': (r) => r.status < 300 });\n"
    "    orderTime.add(res.timings.duration);\n"
    "  });\n"
    "  sleep(1);\n"
    "}\n";

static const char browser[] =
    "import { check } from 'k6';\n"
    "import { browser } from 'k6/browser';\n"
    "\n"
    "// The system under test: -e URL=http://shop.example/ sets another.\n"
    "const url = __ENV.URL || 'http://127.0.0.1:8080/';\n"
    "\n"
    "export const options = {\n"
    "  scenarios: {\n"
    "    page: {\n"
    "      executor: 'shared-iterations',\n"
    "      options: { browser: { type: 'chromium' } },\n"
    "    },\n"
    "  }," PROJECT "};\n"
    "\n"
    "export default async function () {\n"
    "  const page = await browser.newPage();\n"
    "  try {\n"
    "    await page.goto(url);\n"
    "    const title = await page.locator('h1').textContent();\n"
    "    check(title, { 'the page has a title': (t) => t.length > 0 });\n"
    "  } finally {\n"
    "    await page.close();\n"
    "  }\n"
    "}\n";

const char *template_find(const char *name)
{
    if (strcmp(name, "minimal") == 0)
        return minimal;
    if (strcmp(name, "protocol") == 0)
        return protocol;
    return strcmp(name, "browser") == 0 ? browser : NULL;
}

/* ---- writing ------------------------------------------------------------------------------- */

enum { DEPTH_MAX = 16 };

struct writer {
    const struct template_values *values;
    struct buf *out;
    bool shown[DEPTH_MAX + 1]; /* whether the text at each depth of {{ if }} is written */
    size_t depth;
};

static const char *value_of(const struct writer *w, struct str name)
{
    if (str_eqz(name, ".ScriptName"))
        return w->values->script_name;
    return str_eqz(name, ".ProjectID") ? w->values->project_id : NULL;
}

static int open_if(struct writer *w, struct str condition)
{
    const char *value = value_of(w, condition);
    if (value == NULL)
        return err_set(E_CONFIG, "unknown value '%.*s'", STR_ARG(condition));
    if (w->depth == DEPTH_MAX)
        return err_set(E_CONFIG, "more than %d {{ if }} within each other", DEPTH_MAX);
    bool outer = w->shown[w->depth];
    w->shown[++w->depth] = outer && value[0] != '\0';
    return 0;
}

static int action(struct writer *w, struct str text)
{
    struct str rest;
    struct str word = str_cut(text, ' ', &rest);
    if (str_eqz(word, "if"))
        return open_if(w, str_trim(rest));
    if (str_eqz(word, "else") || str_eqz(word, "end")) {
        if (w->depth == 0)
            return err_set(E_CONFIG, "{{ %.*s }} without {{ if }}", STR_ARG(word));
        if (str_eqz(word, "end"))
            w->depth--;
        else
            w->shown[w->depth] = w->shown[w->depth - 1] && !w->shown[w->depth];
        return 0;
    }
    const char *value = value_of(w, text);
    if (value == NULL)
        return err_set(E_CONFIG,
                       "'{{ %.*s }}' is neither .ScriptName, .ProjectID, if, else nor end",
                       STR_ARG(text));
    if (w->shown[w->depth])
        buf_z(w->out, value);
    return 0;
}

static size_t count_lines(struct str text, const char *until)
{
    size_t n = 1;
    for (const char *p = text.ptr; p < until; p++)
        n += *p == '\n';
    return n;
}

static struct str trim_end(struct str s)
{
    while (s.len > 0 && strchr(" \t\r\n", s.ptr[s.len - 1]) != NULL)
        s.len--;
    return s;
}

static struct str trim_start(struct str s)
{
    while (s.len > 0 && strchr(" \t\r\n", s.ptr[0]) != NULL)
        s = str_new(s.ptr + 1, s.len - 1);
    return s;
}

static int bad(struct str text, const char *at)
{
    return err_wrap(E_CONFIG, "line %zu", count_lines(text, at));
}

int template_write(struct str text, const struct template_values *v, struct buf *out)
{
    struct writer w = {.values = v, .out = out, .shown = {true}};
    struct str rest = text;
    for (;;) {
        const char *from = memmem(rest.ptr, rest.len, "{{", 2);
        struct str plain = from ? str_new(rest.ptr, (size_t)(from - rest.ptr)) : rest;
        bool left = from != NULL && (size_t)(from - rest.ptr) + 3 < rest.len && from[2] == '-';
        if (w.shown[w.depth])
            buf_str(out, left ? trim_end(plain) : plain);
        if (from == NULL)
            break;
        struct str inside = str_new(from + 2, rest.len - plain.len - 2);
        const char *to = memmem(inside.ptr, inside.len, "}}", 2);
        if (to == NULL) {
            (void)err_set(E_CONFIG, "'{{' without '}}'");
            return bad(text, from);
        }
        bool right = to > inside.ptr + left && to[-1] == '-';
        rest = str_new(to + 2, inside.len - (size_t)(to - inside.ptr) - 2);
        rest = right ? trim_start(rest) : rest;
        inside = str_new(inside.ptr + left, (size_t)(to - inside.ptr) - left - right);
        if (action(&w, str_trim(inside)) < 0)
            return bad(text, from);
    }
    if (w.depth > 0)
        return err_set(E_CONFIG, "{{ if }} without {{ end }}");
    return buf_finish(out);
}
