/* The subcommands; what is said of them here is all that a user reads about them. */
#include "cmd/command.h"
#include "cmd/commands.h"

#define TABLE(name)                                                                                \
    {                                                                                              \
        flags_##name, &flags_##name##_len                                                          \
    }
#define REST_ABOUT                                                                                 \
    "It has to be run with --address; the same flag (or K6_ADDRESS) tells this command where,\n"   \
    "localhost:6565 otherwise. Tests that k6 runs can be asked, too."
#define SCRIPT_IS                                                                                  \
    "SCRIPT is a JavaScript or TypeScript file, an archive made by `{} archive` or by k6, or - "   \
    "for "                                                                                         \
    "standard\ninput."

#define SERVER_ACCOUNTS_ABOUT                                                                      \
    "Works on the server's data folder, whether it runs or not; a running server takes notice\n"   \
    "within a second. Without a terminal and --password-file a one-time password is made."

const struct command command_table[] = {
    {.path = "new",
     .fn = cmd_new,
     .args = "[flags] [FILE]",
     .summary = "Write a first test to start from",
     .about = "FILE is script.js unless you name another. One that exists stays as it is without "
              "--force.",
     .examples = "  # script.js, as small as a test can be\n"
                 "  {} new\n"
                 "  # a longer one, with several requests, checks and thresholds\n"
                 "  {} new --template protocol shop.js\n"
                 "  # from a template of your own, with a project's number in it\n"
                 "  {} new --template ./ours.js --project-id 12 shop.js",
     .group = COMMAND_TESTS,
     .flags = {TABLE(new)}},
    {.path = "run",
     .fn = cmd_run,
     .args = "[flags] SCRIPT",
     .summary = "Run a test and show its results",
     .about = SCRIPT_IS "\n\n"
                        "An option may be said in the config file, by the script, by a variable "
                        "and by a flag;\nthe last one counts. Whoever says one of --duration, "
                        "--iterations, --stage or scenarios\ndrops what was said about all four "
                        "before.",
     .examples = "  # ten virtual users for half a minute\n"
                 "  {} run -u 10 -d 30s shop.js\n"
                 "  # up to 50 within a minute, and down again; the host by a variable of the "
                 "script\n"
                 "  {} run -s 1m:50 -s 30s:0 -e HOST=shop.example shop.js\n"
                 "  # a script that another program writes\n"
                 "  make-script | {} run -\n"
                 "  # a fourth of the test on each of four machines, here the second\n"
                 "  {} run --execution-segment 1/4:1/2 shop.js",
     .group = COMMAND_TESTS,
     .flags = {TABLE(options), TABLE(runtime), TABLE(run)}},
    {.path = "archive",
     .fn = cmd_archive,
     .args = "[flags] SCRIPT",
     .summary = "Pack a test with all its files, to run it elsewhere",
     .about = SCRIPT_IS "\n\n"
                        "The archive holds the script, what it imports and opens, its options as "
                        "flags and variables\nhave set them, and the variables of -e. k6 runs it, "
                        "too.",
     .examples = "  # pack it, with ten virtual users for ten seconds\n"
                 "  {} archive -u 10 -d 10s -O shop.tar shop.js\n"
                 "  # run it, on a machine that has none of its files\n"
                 "  {} run shop.tar\n"
                 "  # through a pipe\n"
                 "  {} archive -O - shop.js | ssh other {} run -",
     .group = COMMAND_TESTS,
     .flags = {TABLE(options), TABLE(runtime), TABLE(archive)}},
    {.path = "inspect",
     .fn = cmd_inspect,
     .args = "[flags] SCRIPT",
     .summary = "Show a test's options as JSON",
     .about = SCRIPT_IS "\n\nIts init code runs, the test doesn't.",
     .examples = "  # what the script says\n"
                 "  {} inspect shop.js\n"
                 "  # how long it takes at most, and how many virtual users\n"
                 "  {} inspect --execution-requirements shop.js",
     .group = COMMAND_TESTS,
     .flags = {TABLE(runtime), TABLE(inspect)}},
    {.path = "deps",
     .fn = cmd_deps,
     .args = "[flags] SCRIPT",
     .summary = "List what a test imports",
     .about = SCRIPT_IS "\n\nFiles, modules from the web and built-in modules are listed, what "
                        "require() asks for isn't.",
     .examples = "  {} deps shop.js\n  {} deps --json shop.js",
     .group = COMMAND_TESTS,
     .flags = {TABLE(deps), TABLE(runtime)}},
    {.path = "server",
     .fn = cmd_server,
     .summary = "Keep and show results: a cloud of your own",
     .examples = "  # on this machine, results in ./spate-data\n"
                 "  {} server\n"
                 "  # for others, too\n"
                 "  {} server --listen 0.0.0.0:6600 --data /var/lib/spate",
     .group = COMMAND_RESULTS,
     .flags = {TABLE(server)}},
    {.path = "server user",
     .args = "list|add|passwd|roles|remove [flags]",
     .summary = "Who may use a server: users and their roles",
     .about = SERVER_ACCOUNTS_ABOUT,
     .examples = "  {} server user add --email ann@example.com --name Ann --role editor:3\n"
                 "  {} server user roles --email ann@example.com --role viewer --role admin:3\n"
                 "  {} server user passwd --email ann@example.com --one-time",
     .group = COMMAND_RESULTS,
     .flags = {TABLE(server_accounts)},
     .values = "list add passwd roles remove"},
    {.path = "server token",
     .args = "list|add|remove [flags] [ID]",
     .summary = "Who may use a server: tokens of users and of services",
     .about = SERVER_ACCOUNTS_ABOUT,
     .examples = "  # of a service, which has roles of its own\n"
                 "  {} server token add --name ci --role editor:3\n"
                 "  # of a user\n"
                 "  {} server token add --name laptop --email ann@example.com\n"
                 "  {} server token remove 4",
     .group = COMMAND_RESULTS,
     .flags = {TABLE(server_accounts)},
     .values = "list add remove"},
    {.path = "cloud",
     .fn = cmd_cloud,
     .args = "COMMAND [flags] [arguments]",
     .summary = "Run tests whose results live in a cloud",
     .group = COMMAND_RESULTS},
    {.path = "cloud run",
     .args = "[flags] SCRIPT",
     .summary = "Run a test in the cloud, or here for the cloud",
     .about = SCRIPT_IS,
     .examples = "  # on this machine; the results go to the cloud as they come\n"
                 "  {} cloud run --local-execution shop.js\n"
                 "  # on the cloud's machines, its log shown here\n"
                 "  {} cloud run shop.js",
     .group = COMMAND_RESULTS,
     .flags = {TABLE(options), TABLE(runtime), TABLE(run), TABLE(cloud_run)}},
    {.path = "cloud login",
     .summary = "Keep a token (and host) for the cloud",
     .examples = "  # asks for the token\n"
                 "  {} cloud login --host http://results.example:6600\n"
                 "  # what is kept\n"
                 "  {} cloud login --show",
     .group = COMMAND_RESULTS,
     .flags = {TABLE(cloud_login)}},
    {.path = "cloud upload",
     .args = "[flags] SCRIPT",
     .summary = "Store a test in the cloud without running it",
     .about = SCRIPT_IS,
     .group = COMMAND_RESULTS,
     .flags = {TABLE(options), TABLE(runtime), TABLE(cloud_upload)}},
    {.path = "cloud project",
     .args = "list [flags]",
     .summary = "List the cloud's projects",
     .examples = "  {} cloud project list",
     .group = COMMAND_RESULTS,
     .flags = {TABLE(cloud_list)},
     .values = "list"},
    {.path = "cloud test",
     .args = "list [flags]",
     .summary = "List the load tests of a project",
     .examples = "  # of the default project\n"
                 "  {} cloud test list\n"
                 "  {} cloud test list --project-id 12 --json",
     .group = COMMAND_RESULTS,
     .flags = {TABLE(cloud_list), TABLE(cloud_test_list)},
     .values = "list"},
    {.path = "cloud load-zone",
     .args = "list [flags]",
     .summary = "List where the cloud can run tests",
     .examples = "  {} cloud load-zone list",
     .group = COMMAND_RESULTS,
     .flags = {TABLE(cloud_list)},
     .values = "list"},
    {.path = "login",
     .fn = cmd_login,
     .args = "cloud [flags]",
     .summary = "Older name of `cloud login`",
     .group = COMMAND_RESULTS,
     .flags = {TABLE(cloud_login)},
     .values = "cloud",
     .hidden = true},
    {.path = "status",
     .fn = cmd_status,
     .summary = "Show what a test that runs is doing",
     .about = REST_ABOUT,
     .examples = "  {} run --address localhost:6565 shop.js &\n  {} status",
     .group = COMMAND_CONTROL},
    {.path = "stats",
     .fn = cmd_stats,
     .summary = "Show its metrics as they are now",
     .about = REST_ABOUT,
     .group = COMMAND_CONTROL},
    {.path = "pause",
     .fn = cmd_pause,
     .summary = "Pause it; all of its scenarios must be externally controlled",
     .about = REST_ABOUT,
     .group = COMMAND_CONTROL},
    {.path = "resume",
     .fn = cmd_resume,
     .summary = "Let it go on, or begin after --paused",
     .about = REST_ABOUT,
     .group = COMMAND_CONTROL},
    {.path = "scale",
     .fn = cmd_scale,
     .summary = "Change the virtual users of its externally controlled scenario",
     .about = REST_ABOUT,
     .examples = "  # 20 virtual users work, 50 are ready\n"
                 "  {} scale --vus 20 --max 50",
     .group = COMMAND_CONTROL,
     .flags = {TABLE(scale)}},
    {.path = "completion",
     .fn = cmd_completion,
     .args = "[flags] bash|zsh|fish|powershell",
     .summary = "Print a script that completes commands and flags in a shell",
     .examples = "  # bash, in this session; or into ~/.bashrc\n"
                 "  source <({} completion bash)\n"
                 "  # zsh\n"
                 "  source <({} completion zsh)\n"
                 "  # fish\n"
                 "  {} completion fish > ~/.config/fish/completions/{}.fish\n"
                 "  # PowerShell\n"
                 "  {} completion powershell | Out-String | Invoke-Expression",
     .group = COMMAND_OTHER,
     .flags = {TABLE(completion)},
     .values = "bash zsh fish powershell"},
    {.path = "features",
     .fn = cmd_features,
     .summary = "List features that --features turns on",
     .group = COMMAND_OTHER,
     .flags = {TABLE(json)}},
    {.path = "version",
     .fn = cmd_version,
     .summary = "Show the program's version",
     .group = COMMAND_OTHER,
     .flags = {TABLE(json)}},
    {.path = "help",
     .args = "[COMMAND]",
     .summary = "Say more about a command",
     .group = COMMAND_OTHER},
    {.path = "__complete", .fn = cmd_complete, .summary = "What the shell asks", .hidden = true},
};
const size_t command_table_len = ARRAY_LEN(command_table);
