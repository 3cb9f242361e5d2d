/*
 * QuickJS writes a frame as "    at name (file:1:2)"; k6 as a tab, "at name (file:1:2)", and
 * without the name and its brackets for what has none: anonymous functions and the top level of a
 * module.
 */
#include <string.h>

#include "base/limits.h"
#include "js/source_map.h"
#include "js/specifier.h"
#include "js/vm_int.h"

enum { FRAMES_MAX = 20 }; /* of a deep recursion, shown */

/* Cuts the number behind the last colon off. */
static bool cut_number(struct str *place, int64_t *ret)
{
    size_t i = place->len;
    while (i > 0 && place->ptr[i - 1] != ':')
        i--;
    if (i == 0 || str_to_i64(str_new(place->ptr + i, place->len - i), ret) < 0 || *ret < 0 ||
        *ret > INT32_MAX)
        return false;
    place->len = i - 1;
    return true;
}

/* The file that a source map names, as a URL: relative ones are of the folder of the code. */
static void append_source(struct str code, struct str source, struct buf *out)
{
    CLEANUP(buf_fini) struct buf spec, full;
    buf_init(&spec, JS_PATH_MAX);
    buf_init(&full, JS_PATH_MAX);
    bool is_url = false;
    for (size_t i = 0; i + 2 < source.len && !is_url; i++)
        is_url = memcmp(source.ptr + i, "://", 3) == 0;
    buf_z(&spec, str_starts(source, STR("/")) || str_starts(source, STR(".")) ? "" : "./");
    buf_str(&spec, source);
    if (!is_url && specifier_resolve(specifier_folder_of(code), buf_view(&spec), &full) == 0)
        source = buf_view(&full);
    buf_str(out, source);
}

/* "file:///a.js:1:60", as people know it: line 1 of a CommonJS file has our own words in front, and
 * generated code has a map. */
static void append_place(struct js_vm *vm, struct str place, struct buf *out)
{
    struct str file = place;
    int64_t line = 0, column = 0;
    int unit = cut_number(&file, &column) && cut_number(&file, &line)
                   ? program_unit_find(vm->program, file)
                   : -1;
    if (unit < 0) {
        buf_str(out, place);
        return;
    }
    const struct js_unit *u = &vm->program->units[unit];
    const int64_t head = sizeof JS_COMMONJS_HEAD - 1;
    if (u->kind == JS_UNIT_COMMONJS && line == 1 && column > head)
        column -= head;
    struct source_place from;
    if (u->map && source_map_find(u->map, (uint32_t)line, (uint32_t)column, &from)) {
        append_source(file, from.source, out);
        line = from.line;
        column = from.column;
    } else {
        buf_str(out, file);
    }
    buf_printf(out, ":%lld:%lld", (long long)line, (long long)column);
}

/* Where " (" of the place begins; names may have spaces, too ("get x"). */
static size_t place_at(struct str line)
{
    for (size_t i = line.len; i >= 2; i--)
        if (line.ptr[i - 2] == ' ' && line.ptr[i - 1] == '(')
            return i - 2;
    return line.len;
}

static void append_frame(struct js_vm *vm, struct str line, struct buf *out)
{
    line = str_trim(line);
    if (!str_starts(line, STR("at ")))
        return;
    line = str_new(line.ptr + 3, line.len - 3);
    size_t at = place_at(line);
    buf_z(out, "\tat ");
    if (at == line.len || line.ptr[line.len - 1] != ')') {
        append_place(vm, line, out); /* a parser's error: the place alone */
    } else {
        struct str name = str_new(line.ptr, at);
        bool named = !str_eqz(name, "<anonymous>") && !str_eqz(name, "<eval>");
        if (named)
            buf_printf(out, "%.*s (", STR_ARG(name));
        append_place(vm, str_new(line.ptr + at + 2, line.len - at - 3), out);
        if (named)
            buf_byte(out, ')');
    }
    buf_byte(out, '\n');
}

static void append_stack(struct js_vm *vm, JSValueConst e, struct buf *out)
{
    JSContext *ctx = vm->ctx;
    JSValue stack = JS_GetPropertyStr(ctx, e, "stack");
    if (JS_IsException(stack)) {
        JS_FreeValue(ctx, JS_GetException(ctx));
        return;
    }
    CLEANUP(js_text_fini) struct js_text text = {0};
    if (JS_IsString(stack) && js_text_of(ctx, stack, &text) == 0) {
        struct str rest = text.s;
        int frames = 0;
        if (rest.len > 0)
            buf_byte(out, '\n');
        for (; rest.len > 0; frames++) {
            struct str next = STR_EMPTY;
            struct str line = str_cut(rest, '\n', &next);
            if (frames < FRAMES_MAX)
                append_frame(vm, line, out);
            rest = next;
        }
        if (frames > FRAMES_MAX)
            buf_printf(out, "\t… and %d more\n", frames - FRAMES_MAX);
    }
    JS_FreeValue(ctx, stack);
}

void trace_exception(struct js_vm *vm, JSValueConst e, struct buf *out)
{
    JSContext *ctx = vm->ctx;
    if (JS_IsObject(e) && !JS_IsError(ctx, e)) {
        inspect_value(ctx, out, e, true);
        return;
    }
    CLEANUP(js_text_fini) struct js_text text = {0};
    if (js_text_of(ctx, e, &text) < 0) {
        JS_FreeValue(ctx, JS_GetException(ctx));
        buf_z(out, "an exception that has no text");
        return;
    }
    buf_str(out, text.s);
    if (JS_IsError(ctx, e))
        append_stack(vm, e, out);
}
