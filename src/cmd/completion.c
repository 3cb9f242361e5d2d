#include "cmd/completion.h"

#include "base/err.h"
#include "base/limits.h"
#include "cmd/command.h"
#include "cmd/commands.h"

#include <stdio.h>
#include <string.h>

struct asking {
    struct buf *out;
    bool descriptions;
    const struct command *command; /* as far as the words name it; NULL: none yet */
    struct flag_table tables[COMMAND_TABLES_MAX + 1];
    const struct flag *value_of; /* the last finished word is this flag, whose value is next */
    size_t args;                 /* finished arguments of the command */
};

static void offer(struct asking *a, struct str prefix, struct str candidate, const char *text)
{
    buf_str(a->out, prefix);
    buf_str(a->out, candidate);
    if (a->descriptions && text != NULL && text[0] != '\0')
        buf_printf(a->out, "\t%s", text);
    buf_byte(a->out, '\n');
}

/* Of a list with a space between, those that begin with `word`. */
static void offer_list(struct asking *a, const char *list, struct str prefix, struct str word)
{
    struct str rest = str_of(list);
    while (rest.ptr != NULL) {
        struct str item = str_cut(rest, ' ', &rest);
        if (!str_starts(item, word))
            continue;
        offer(a, prefix, item, NULL);
        if (str_ends(item, STR("=")))
            buf_z(a->out, ":nospace\n");
    }
}

static void offer_value(struct asking *a, const struct flag *f, struct str prefix, struct str word)
{
    if (f->choices != NULL)
        offer_list(a, f->choices, prefix, word);
    else if (f->kind == FLAG_BOOL)
        offer_list(a, "true false", prefix, word);
    if (f->file)
        buf_z(a->out, ":files\n");
}

static void offer_flags(struct asking *a, struct str word)
{
    for (size_t t = 0; t < ARRAY_LEN(a->tables); t++)
        for (size_t i = 0; a->tables[t].flags != NULL && i < *a->tables[t].len; i++) {
            const struct flag *f = &a->tables[t].flags[i];
            char name[80];
            (void)snprintf(name, sizeof name, "--%s", f->name);
            if (!f->hidden && !f->missing && str_starts(str_of(name), word))
                offer(a, STR_EMPTY, str_of(name), f->help);
        }
}

/* Commands, or the command's commands. */
static bool offer_commands(struct asking *a, struct str word)
{
    const char *parent = a->command != NULL ? a->command->path : "";
    size_t n = strlen(parent);
    bool any = false;
    for (size_t i = 0; i < command_table_len; i++) {
        const struct command *c = &command_table[i];
        const char *rest = c->path + n;
        if (c->hidden || strncmp(c->path, parent, n) != 0 || (n > 0 && *rest++ != ' ') ||
            strchr(rest, ' ') != NULL)
            continue;
        any = true;
        if (str_starts(str_of(rest), word))
            offer(a, STR_EMPTY, str_of(rest), c->summary);
    }
    return any;
}

/* ---- the words before ---------------------------------------------------------------------- */

static void set_command(struct asking *a, const struct command *c)
{
    a->command = c;
    memcpy(a->tables, c->flags, sizeof c->flags);
}

static const struct flag *flag_of(const struct asking *a, const char *word)
{
    const char *eq = strchr(word, '=');
    if (word[1] != '-')
        return flag_find(a->tables, ARRAY_LEN(a->tables), STR_EMPTY, word[strlen(word) - 1]);
    struct str name = str_new(word + 2, eq != NULL ? (size_t)(eq - word) - 2 : strlen(word) - 2);
    return flag_find(a->tables, ARRAY_LEN(a->tables), name, 0);
}

/* A word that isn't a flag: the command, its command, or an argument. */
static void take_argument(struct asking *a, const char *word)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%.60s%s%.60s", a->command != NULL ? a->command->path : "",
                   a->command != NULL ? " " : "", word);
    const struct command *c = a->args == 0 ? command_find(path) : NULL;
    if (c != NULL && strcmp(path, "help") == 0)
        return; /* the command that follows is what counts */
    if (c != NULL)
        set_command(a, c);
    else
        a->args++;
}

static void take(struct asking *a, const char *word)
{
    if (a->value_of != NULL) {
        a->value_of = NULL;
        return;
    }
    if (word[0] != '-' || word[1] == '\0') {
        take_argument(a, word);
        return;
    }
    const struct flag *f = flag_of(a, word);
    if (f != NULL && f->kind != FLAG_BOOL && f->bare == NULL && strchr(word, '=') == NULL)
        a->value_of = f;
}

void completion_write(struct buf *out, const char *const *words, size_t n, bool descriptions)
{
    struct asking a = {.out = out, .descriptions = descriptions};
    a.tables[COMMAND_TABLES_MAX] = (struct flag_table){flags_global, &flags_global_len};
    for (size_t i = 0; i + 1 < n; i++)
        take(&a, words[i]);
    struct str word = str_of(words[n - 1]);
    const char *eq = strchr(word.ptr, '=');
    const struct flag *f = a.value_of;
    if (f != NULL) {
        offer_value(&a, f, STR_EMPTY, word);
    } else if (str_starts(word, STR("--")) && eq != NULL) {
        f = flag_of(&a, word.ptr);
        struct str prefix = str_new(word.ptr, (size_t)(eq - word.ptr) + 1);
        if (f != NULL)
            offer_value(&a, f, prefix, str_of(eq + 1));
    } else if (str_starts(word, STR("-"))) {
        offer_flags(&a, word);
    } else if (a.args == 0 && offer_commands(&a, word)) {
        return;
    } else if (a.command != NULL && a.command->values != NULL) {
        if (a.args == 0)
            offer_list(&a, a.command->values, STR_EMPTY, word);
    } else if (a.command != NULL && a.command->args != NULL) {
        buf_z(out, ":files\n");
    }
}

/* ---- scripts ------------------------------------------------------------------------------- */

/* {} is the program's name, {n} the switch for no descriptions. */
static const char bash[] =
    "# bash completion of {}\n"
    "_{}_complete() {\n"
    "  local line=\"${COMP_LINE:0:COMP_POINT}\" candidate word part\n"
    "  local -a words\n"
    "  read -ra words <<< \"$line\"\n"
    "  [[ \"$line\" == *[[:space:]] ]] && words+=('')\n"
    "  word=\"${words[${#words[@]}-1]}\"\n"
    "  part=\"$word\"\n"
    "  # bash itself takes what is behind an equals sign as a word of its own\n"
    "  [[ \"$word\" == -*=* ]] && part=\"${word#*=}\"\n"
    "  COMPREPLY=()\n"
    "  while IFS= read -r candidate; do\n"
    "    case \"$candidate\" in\n"
    "      :files)\n"
    "        compopt -o filenames 2> /dev/null\n"
    "        while IFS= read -r candidate; do COMPREPLY+=(\"$candidate\"); done \\\n"
    "          < <(compgen -f -- \"$part\") ;;\n"
    "      :nospace) compopt -o nospace 2> /dev/null ;;\n"
    "      -*=*) COMPREPLY+=(\"${candidate#*=}\") ;;\n"
    "      *) COMPREPLY+=(\"$candidate\") ;;\n"
    "    esac\n"
    "  done < <(\"${words[0]}\" __complete -n \"${words[@]:1}\" 2> /dev/null)\n"
    "}\n"
    "complete -F _{}_complete {}\n";

static const char zsh[] =
    "#compdef {}\n"
    "# zsh completion of {}\n"
    "_{}() {\n"
    "  local -a candidates\n"
    "  local line files=0 space=' '\n"
    "  while IFS= read -r line; do\n"
    "    case \"$line\" in\n"
    "      :files) files=1 ;;\n"
    "      :nospace) space='' ;;\n"
    "      *$'\\t'*) candidates+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\") ;;\n"
    "      *) candidates+=(\"${line//:/\\\\:}\") ;;\n"
    "    esac\n"
    "  done < <(\"${words[1]}\" __complete{n} \"${(@)words[2,CURRENT]}\" 2> /dev/null)\n"
    "  (( ${#candidates} )) && _describe -t values {} candidates -S \"$space\"\n"
    "  (( files )) && _files\n"
    "}\n"
    "if [ \"$funcstack[1]\" = '_{}' ]; then\n"
    "  _{}\n"
    "else\n"
    "  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }\n"
    "  compdef _{} {}\n"
    "fi\n";

static const char fish[] =
    "# fish completion of {}\n"
    "function __{}_complete\n"
    "  set -l words (commandline -opc)\n"
    "  set -l current (commandline -ct)\n"
    "  for line in ($words[1] __complete{n} $words[2..-1] \"$current\" 2> /dev/null)\n"
    "    switch $line\n"
    "      case ':files'\n"
    "        __fish_complete_path \"$current\"\n"
    "      case ':*'\n"
    "      case '*'\n"
    "        echo $line\n"
    "    end\n"
    "  end\n"
    "end\n"
    "complete -c {} -f -a '(__{}_complete)'\n";

static const char powershell[] =
    "# PowerShell completion of {}\n"
    "Register-ArgumentCompleter -Native -CommandName '{}' -ScriptBlock {\n"
    "  param($word, $ast, $position)\n"
    "  $words = @($ast.CommandElements | Select-Object -Skip 1 | ForEach-Object { \"$_\" })\n"
    "  if ($word -eq '') { $words += ':empty' }\n"
    "  & '{}' __complete{n} @words 2> $null | ForEach-Object {\n"
    "    if ($_ -eq ':files') {\n"
    "      Get-ChildItem \"$word*\" | ForEach-Object { Resolve-Path -Relative $_ }\n"
    "    } elseif ($_ -notlike ':*') {\n"
    "      $parts = $_ -split \"`t\", 2\n"
    "      $about = if ($parts.Count -gt 1) { $parts[1] } else { $parts[0] }\n"
    "      [System.Management.Automation.CompletionResult]::new($parts[0], $parts[0], "
    "'ParameterValue', $about)\n"
    "    }\n"
    "  }\n"
    "}\n";

static const struct {
    const char *name, *text;
} shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}, {"powershell", powershell}};

int completion_script(struct buf *out, const char *shell, const char *name, bool descriptions)
{
    const char *text = NULL;
    for (size_t i = 0; i < ARRAY_LEN(shells); i++)
        if (strcmp(shells[i].name, shell) == 0)
            text = shells[i].text;
    if (text == NULL)
        return err_set(E_CONFIG, "no completion for '%s': use bash, zsh, fish or powershell",
                       shell);
    for (const char *p = text; *p != '\0'; p++) {
        if (strncmp(p, "{}", 2) == 0) {
            buf_z(out, name);
            p += 1;
        } else if (strncmp(p, "{n}", 3) == 0) {
            buf_z(out, descriptions ? "" : " -n");
            p += 2;
        } else {
            buf_byte(out, (uint8_t)*p);
        }
    }
    return buf_finish(out);
}
