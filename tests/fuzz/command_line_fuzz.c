#include "base/mem.h"
#include "cmd/completion.h"
#include "cmd/json_pretty.h"
#include "cmd/log_target.h"
#include "cmd/templates.h"
#include "cmd/use_directive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Texts that a user types or names: what --log-output says, a template, words to complete. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(mem_freep) char *text = mem_strndup((const char *)data, size);
    CLEANUP(buf_fini) struct buf out;
    struct arena a;
    struct log_target t;
    if (text == NULL)
        return 0;
    buf_init(&out, 1 << 20);
    arena_init(&a, 1 << 20);
    if (log_target_parse(text, &a, &t) == 0 && t.kind == LOG_TARGET_LOKI)
        buf_z(&out, t.loki.url);
    const struct template_values v = {"s.js", size % 2 ? "1" : ""};
    if (template_write(str_new(data, size), &v, &out) == 0)
        json_pretty(&out, str_new(data, size));
    struct use_reader r;
    struct str name, version;
    use_reader_init(&r, str_new(data, size));
    while (use_reader_next(&r, &name, &version))
        buf_str(&out, name);
    const char *words[] = {size % 3 ? "run" : "cloud", text, text};
    completion_write(&out, words, 1 + size % 3, true);
    arena_fini(&a);
    return 0;
}
