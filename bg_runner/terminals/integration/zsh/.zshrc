# What bg-runner has an interactive zsh read as its .zshrc: the user's own first, then marks around every command
# (OSC 133) and the directory (OSC 7).
if [[ -n ${BG_RUNNER_ZDOTDIR-} ]]; then ZDOTDIR=$BG_RUNNER_ZDOTDIR; else unset ZDOTDIR; fi
unset BG_RUNNER_ZDOTDIR
if [[ -r ${ZDOTDIR:-$HOME}/.zshenv ]]; then . ${ZDOTDIR:-$HOME}/.zshenv; fi
if [[ -r ${ZDOTDIR:-$HOME}/.zshrc ]]; then . ${ZDOTDIR:-$HOME}/.zshrc; fi

autoload -Uz add-zsh-hook
__bg_runner_precmd() {
  local code=$?
  emulate -L zsh
  local directory=${PWD//\%/%25}
  if [[ -n $__bg_runner_running ]]; then printf '\e]133;D;%s\a' $code; fi
  __bg_runner_running=
  printf '\e]7;file://%s%s\a\e]133;A\a' "$HOST" "${${directory//[[:cntrl:]]/}// /%20}"
}
__bg_runner_preexec() { __bg_runner_running=1; printf '\e]133;C\a'; }
add-zsh-hook precmd __bg_runner_precmd
add-zsh-hook preexec __bg_runner_preexec
