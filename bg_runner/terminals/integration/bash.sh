# What bg-runner has an interactive bash read instead of ~/.bashrc: that file first, then marks around every
# command (OSC 133) and the directory (OSC 7). BG_RUNNER_SHELL_INTEGRATION=false turns it off.
# The system's own file needs no mention: a bash that has one reads it before this one.
if [ -r ~/.bashrc ]; then . ~/.bashrc; fi

# The owner of the shell may have `set -u`, and a printf of their own.
__bg_runner_prompt() {
  local code=$? directory=${PWD//%/%25}
  if [[ -n ${__bg_runner_running-} ]]; then builtin printf '\e]133;D;%s\a' "$code"; fi
  __bg_runner_running=
  directory=${directory//[$'\x01'-$'\x1f\x7f']/}
  builtin printf '\e]7;file://%s%s\a\e]133;A\a' "${HOSTNAME-}" "${directory// /%20}"
  return "$code"
}

if [[ $(declare -p PROMPT_COMMAND 2>/dev/null) == "declare -a"* ]]; then
  PROMPT_COMMAND=(__bg_runner_prompt "${PROMPT_COMMAND[@]}")
else
  PROMPT_COMMAND="__bg_runner_prompt${PROMPT_COMMAND:+; $PROMPT_COMMAND}"
fi
# PS0 is expanded after a command line was read and before it runs (bash 4.4); the assignment in it says that one runs.
PS0=${PS0-}'${__bg_runner_none[__bg_runner_running=1]-}\e]133;C\a'
