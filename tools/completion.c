/* SPDX-FileCopyrightText: the fcmae authors
 * SPDX-License-Identifier: MIT */
/* Completion scripts, made from the option tables. */
#include <ctype.h>
#include <string.h>

#include "commands.h"
#include "common_options.h"
#include "fcmae/preset.h"
#include "manual.h"

/* What may follow an option: words from a list, files, folders. */
typedef struct candidates {
    char words[600]; /* blanks between them */
    bool files, folders;
} candidates;

static void add_word(candidates *c, const char *word, size_t length)
{
    size_t used = strlen(c->words);
    if (used + length + 2 > sizeof c->words) return;
    snprintf(c->words + used, sizeof c->words - used, "%s%.*s", used ? " " : "", (int)length, word);
}

/* The parts of a placeholder: small letters are words, capitals name a kind of thing. */
static candidates candidates_of(const fcmae_option *option)
{
    candidates c = {0};
    const char *unit = option->type == FCMAE_OPTION_SWITCH   ? "on|off"
                       : option->type == FCMAE_OPTION_CHOICE ? option->choices
                       : option->unit                        ? option->unit
                                                             : "";
    for (const char *at = unit; *at;) {
        size_t length = strcspn(at, "|");
        if (islower((unsigned char)*at)) add_word(&c, at, length);
        if (length == 3 && memcmp(at, "DIR", 3) == 0) c.folders = true;
        if (strncmp(at, "FILE", 4) == 0 || strncmp(at, "RUN", 3) == 0 ||
            strncmp(at, "NPY", 3) == 0 || strncmp(at, "PNG", 3) == 0 || strncmp(at, "HTML", 4) == 0)
            c.files = true;
        if (strncmp(at, "NAME|FILE", 9) == 0) { /* a preset; a NAME alone is any name */
            const char *const *names = fcmae_preset_names(NULL);
            int count = 0;
            fcmae_preset_names(&count);
            for (int i = 0; i < count; i++) add_word(&c, names[i], strlen(names[i]));
        }
        at += length + (at[length] == '|');
    }
    return c;
}

/* Calls for every option that can be typed, the common ones last. */
static void for_options(FILE *out, const fcmae_option_set *set,
                        void (*call)(FILE *out, const char *command, const fcmae_option *option))
{
    const fcmae_option_set *sets[] = {set, cli_common_of(set)};
    for (int s = 0; s < 2; s++)
        for (int i = 0; i < sets[s]->count; i++)
            if (cli_is_typed(&sets[s]->options[i])) call(out, set->name, &sets[s]->options[i]);
}

/* What the words of a command that are no options may be: files, unless its table lists words. */
static candidates candidates_of_words(const fcmae_option_set *set)
{
    candidates c = {0};
    for (int i = 0; i < set->count; i++)
        if (set->options[i].positional) c = candidates_of(&set->options[i]);
    if (!c.words[0]) c.files = true;
    return c;
}

static void put_commands(FILE *out)
{
    cli_command command;
    for (int i = 0; cli_command_at(i, &command); i++) fprintf(out, "%s ", command.set->name);
    fputs("help", out);
}

/* ---- bash ---- */

static void bash_name(FILE *out, const char *command, const fcmae_option *option)
{
    (void)command;
    fprintf(out, " --%s", option->name);
}

static void bash_value(FILE *out, const char *command, const fcmae_option *option)
{
    if (option->type == FCMAE_OPTION_FLAG) return;
    candidates c = candidates_of(option);
    fprintf(out, "        %s,--%s) words='%s' kind=%s ;;\n", command, option->name, c.words,
            c.files     ? "-f"
            : c.folders ? "-d"
                        : "");
}

static void bash(FILE *out)
{
    cli_command command;
    fputs("# bash completion of fcmae, made by 'fcmae completion bash'\n"
          "_fcmae()\n{\n"
          "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
          "    local command=${COMP_WORDS[1]} words= kind= names=\n"
          "    if [ \"$current\" = = ]; then # bash takes --name=value apart\n"
          "        current=\n"
          "    elif [ \"$previous\" = = ] && [ \"$COMP_CWORD\" -gt 2 ]; then\n"
          "        previous=${COMP_WORDS[COMP_CWORD-2]}\n"
          "    fi\n"
          "    COMPREPLY=()\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
          "        COMPREPLY=($(compgen -W '",
          out);
    put_commands(out);
    fputs("' -- \"$current\"))\n        return\n    fi\n"
          "    case $command in\n    help) words='",
          out);
    put_commands(out);
    fputs("' ;;\n    *)\n        case $command,$previous in\n", out);
    for (int i = 0; cli_command_at(i, &command); i++) {
        candidates c = candidates_of_words(command.set);
        for_options(out, command.set, bash_value);
        fprintf(out, "        %s,*) words='%s' kind=%s ;;\n", command.set->name, c.words,
                c.files ? "-f" : "");
    }
    fputs("        esac ;;\n    esac\n    case $command in\n", out);
    for (int i = 0; cli_command_at(i, &command); i++) {
        fprintf(out, "    %s) names='", command.set->name);
        for_options(out, command.set, bash_name);
        fputs("' ;;\n", out);
    }
    fputs("    esac\n"
          "    case $current in\n"
          "    -*) COMPREPLY=($(compgen -W \"$names\" -- \"$current\")) ;;\n"
          "    *)\n"
          "        compopt -o filenames 2>/dev/null\n"
          "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\"\n"
          "            [ -z \"$kind\" ] || compgen $kind -- \"$current\") ;;\n"
          "    esac\n}\ncomplete -F _fcmae fcmae\n",
          out);
}

/* ---- zsh and fish: both take a sentence for each option ---- */

/* A sentence without what would end a quoted word or a specification. */
static void put_sentence(FILE *out, const char *text, const char *escaped)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", out);
        else if (strchr(escaped, *text))
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
    }
}

static void zsh_option(FILE *out, const char *command, const fcmae_option *option)
{
    (void)command;
    fprintf(out, "            '--%s[", option->name);
    put_sentence(out, option->help, "[]:\\");
    fputc(']', out);
    if (option->type != FCMAE_OPTION_FLAG) {
        candidates c = candidates_of(option);
        fprintf(out, ":%s:", option->name);
        if (c.words[0] && (c.files || c.folders))
            fprintf(out, "_alternative \"words\\:word\\:(%s)\" \"files\\:file\\:_files\"", c.words);
        else if (c.words[0])
            fprintf(out, "(%s)", c.words);
        else if (c.files || c.folders)
            fputs(c.files ? "_files" : "_files -/", out);
    }
    fputs("' \\\n", out);
}

static void zsh(FILE *out)
{
    cli_command command;
    fputs("#compdef fcmae\n# zsh completion of fcmae, made by 'fcmae completion zsh'\n"
          "_fcmae()\n{\n    if (( CURRENT == 2 )); then\n        compadd ",
          out);
    put_commands(out);
    fputs("\n        return\n    fi\n    local command=$words[2]\n    shift words\n"
          "    (( CURRENT-- ))\n    case $command in\n",
          out);
    for (int i = 0; cli_command_at(i, &command); i++) {
        fprintf(out, "    %s)\n        _arguments \\\n", command.set->name);
        for_options(out, command.set, zsh_option);
        candidates c = candidates_of_words(command.set);
        if (c.words[0])
            fprintf(out, "            '*:word:(%s)'\n        ;;\n", c.words);
        else
            fputs("            '*:file:_files'\n        ;;\n", out);
    }
    fputs("    help) compadd ", out);
    put_commands(out);
    fputs(" ;;\n    esac\n}\n_fcmae \"$@\"\n", out);
}

/* A word in quotes, as fish reads it. */
static void put_fish(FILE *out, const char *text)
{
    fputc('\'', out);
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\') fputc('\\', out);
        fputc(*text, out);
    }
    fputs("'\n", out);
}

static void fish_option(FILE *out, const char *command, const fcmae_option *option)
{
    candidates c = candidates_of(option);
    fprintf(out, "complete -c fcmae -n '__fish_seen_subcommand_from %s' -l %s", command,
            option->name);
    if (option->type != FCMAE_OPTION_FLAG) fputs(c.files || c.folders ? " -r -F" : " -x", out);
    if (c.words[0]) fprintf(out, " -a '%s'", c.words);
    fputs(" -d ", out);
    put_fish(out, option->help);
}

static void fish(FILE *out)
{
    cli_command command;
    fputs("# fish completion of fcmae, made by 'fcmae completion fish'\n", out);
    for (int i = 0; cli_command_at(i, &command); i++) {
        fprintf(out, "complete -c fcmae -n __fish_use_subcommand -f -a %s -d ", command.set->name);
        put_fish(out, command.set->purpose);
    }
    fputs("complete -c fcmae -n __fish_use_subcommand -f -a help\n", out);
    for (int i = 0; cli_command_at(i, &command); i++) {
        candidates c = candidates_of_words(command.set);
        for_options(out, command.set, fish_option);
        if (c.words[0])
            fprintf(out, "complete -c fcmae -n '__fish_seen_subcommand_from %s' -f -a '%s'\n",
                    command.set->name, c.words);
    }
}

bool cli_completion(FILE *out, const char *shell)
{
    static const struct {
        const char *name;
        void (*write)(FILE *out);
    } shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
    for (int i = 0; i < FCMAE_COUNT(shells); i++)
        if (strcmp(shells[i].name, shell) == 0) {
            shells[i].write(out);
            return true;
        }
    return false;
}
