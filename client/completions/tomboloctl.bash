# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for tomboloctl(1)

__tomboloctl_machines ()
{
  tomboloctl list --no-legend --no-pager 2>/dev/null | while read -r name rest; do
    echo "$name"
  done
}

# The bus names that machine $1 exports and that are owned now, from their aliases; with $2 those of
# its session bus.
__tomboloctl_services ()
{
  tomboloctl status "$1" --no-pager --json=short 2>/dev/null \
    | sed -n "s/.*\"${2:+session_}exports\":{\([^}]*\)}.*/\\1/p" | tr ',' '\n' | sed -n 's/^"\([^"]*\)":.*/\1/p'
}

_tomboloctl ()
{
  local cur prev words cword
  local common='--help --version --json= --no-legend --no-pager --no-ask-password'
  local verbs='list status start stop restart kill pause resume create delete reload call with
    shell rules alias monitor version help'
  local verb='' position=0 options word i machine='' second='' session=''

  _init_completion -n '=:' || return

  for ((i = 1; i < cword; i++)); do
    word=${words[i]}
    case $word in
      --session) session=session ;;
      -*) ;;
      *)
        if [[ -z $verb ]]; then
          verb=$word
        else
          position=$((position + 1))
          [[ $position -eq 1 ]] && machine=$word
          [[ $position -eq 2 ]] && second=$word
        fi
        ;;
    esac
  done

  case $cur in
    --json=*)
      COMPREPLY=($(compgen -W 'pretty short off' -- "${cur#*=}"))
      return
      ;;
    --file=* | --kernel=* | --initrd=* | --disk=*)
      COMPREPLY=($(compgen -f -- "${cur#*=}"))
      return
      ;;
    --type=*)
      COMPREPLY=($(compgen -W 'q35 microvm' -- "${cur#*=}"))
      return
      ;;
    -*)
      options=$common
      case $verb in
        start) options+=' --wait-agent' ;;
        stop) options+=' --timeout=' ;;
        restart) options+=' --wait-agent --timeout=' ;;
        with | rules) options+=' --session' ;;
        call) options+=' --timeout= --no-auto-start --session' ;;
        shell) options+=' --user=' ;;
        create)
          options+=' --file= --monitor= --description= --memory= --cpus= --agent= --start= --type=
            --kernel= --initrd= --command-line= --disk= --broadcast= --alias='
          ;;
      esac
      COMPREPLY=($(compgen -W "$options" -- "$cur"))
      [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace
      return
      ;;
  esac

  case $verb in
    '') COMPREPLY=($(compgen -W "$verbs" -- "$cur")) ;;
    help) COMPREPLY=($(compgen -W "$verbs" -- "$cur")) ;;
    shell)
      [[ $position -eq 0 ]] && COMPREPLY=($(compgen -W "$(__tomboloctl_machines)" -- "$cur"))
      ;;
    status | start | stop | restart | kill | pause | resume | delete | monitor)
      COMPREPLY=($(compgen -W "$(__tomboloctl_machines)" -- "$cur"))
      ;;
    call)
      case $position in
        0) COMPREPLY=($(compgen -W "$(__tomboloctl_machines)" -- "$cur")) ;;
        1) COMPREPLY=($(compgen -W "$(__tomboloctl_services "$machine" $session)" -- "$cur")) ;;
      esac
      ;;
    with)
      case $position in
        0) COMPREPLY=($(compgen -W "$(__tomboloctl_machines)" -- "$cur")) ;;
        1) COMPREPLY=($(compgen -c -- "$cur")) ;;
      esac
      ;;
    alias)
      case $position in
        0) COMPREPLY=($(compgen -W 'policy' -- "$cur")) ;;
        1) COMPREPLY=($(compgen -W "$(__tomboloctl_machines)" -- "$cur")) ;;
      esac
      ;;
    rules)
      case $position in
        0) COMPREPLY=($(compgen -W 'test' -- "$cur")) ;;
        1) COMPREPLY=($(compgen -W "$(__tomboloctl_machines)" -- "$cur")) ;;
        2) COMPREPLY=($(compgen -P user: -u -- "${cur#user:}")) ;;
        3) COMPREPLY=($(compgen -W "$(__tomboloctl_services "$second" $session)" -- "$cur")) ;;
      esac
      ;;
  esac
  __ltrim_colon_completions "$cur"
} && complete -F _tomboloctl tomboloctl
