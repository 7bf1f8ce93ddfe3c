# Completion of perfkit for bash. Written by scripts/completions.py; do not edit.
# shellcheck shell=bash

_perfkit() {
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command="" load="" place
    if [[ $current == "=" ]]; then # --mode=local is three words here
        current=""
    elif [[ $before == "=" ]]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    for ((place = 1; place < COMP_CWORD; place++)); do
        case "$command ${COMP_WORDS[place]}" in
        " collect" | " preflight" | " mark" | " process" | " import" | " runs" | " compare" | " report" | " rename" | " remove" | " keys" | "keys add" | "keys list" | "keys revoke" | " users" | "users add" | "users list" | "users remove" | " tokens" | "tokens add" | "tokens list" | "tokens revoke" | " query" | " lake" | "lake compact" | " export" | " prune" | " serve" | " mcp" | " doctor" | " help") command="${command:+$command }${COMP_WORDS[place]}" ;;
        "preflight --") load=yes && break ;;
        esac
    done
    COMPREPLY=()
    if [[ $load ]]; then
        if ((place == COMP_CWORD - 1)); then _perfkit_words -c; else _perfkit_words -f; fi
        return
    fi
    case "$command $before" in
    "collect --mode") _perfkit_words -W 'local trickle' && return ;;
    "collect --duration") return ;;
    "collect --frequency") return ;;
    "collect --collection") _perfkit_words -f && return ;;
    "collect --format") _perfkit_words -W 'perfkit pcc' && return ;;
    "collect --max-size") return ;;
    "collect --max-files") return ;;
    "collect --server") return ;;
    "collect --apikey") return ;;
    "collect --apikey-file") _perfkit_words -f && return ;;
    "collect --identifier") return ;;
    "collect --cacert") _perfkit_words -f && return ;;
    "collect --spool") _perfkit_words -f && return ;;
    "collect --spool-size") return ;;
    "collect --batch-size") return ;;
    "collect --flush-interval") return ;;
    "collect --burst") return ;;
    "collect --nice") return ;;
    "preflight --collection") _perfkit_words -f && return ;;
    "preflight --wait") return ;;
    "preflight --server") return ;;
    "preflight --apikey") return ;;
    "preflight --apikey-file") _perfkit_words -f && return ;;
    "preflight --identifier") return ;;
    "preflight --cacert") _perfkit_words -f && return ;;
    "preflight --spool") _perfkit_words -f && return ;;
    "preflight --label") return ;;
    "mark --collection") _perfkit_words -f && return ;;
    "mark --kind") _perfkit_words -W 'start end point' && return ;;
    "mark --server") return ;;
    "mark --apikey") return ;;
    "mark --apikey-file") _perfkit_words -f && return ;;
    "mark --cacert") _perfkit_words -f && return ;;
    "mark --site-name" | "mark --site") return ;;
    "process --collection") _perfkit_words -f && return ;;
    "process --outdir") _perfkit_words -f && return ;;
    "process --container-names") _perfkit_words -f && return ;;
    "process --lake") return ;;
    "process --site-name" | "process --site") return ;;
    "process --on") return ;;
    "process --from") return ;;
    "process --to") return ;;
    "process --between") return ;;
    "process --memory-limit") return ;;
    "process --threads") return ;;
    "import --file") _perfkit_words -f && return ;;
    "import --load") _perfkit_words -f && return ;;
    "import --load-start") return ;;
    "import --load-shift") return ;;
    "import --collector-name") return ;;
    "import --site-name" | "import --site") return ;;
    "import --db") return ;;
    "runs --db") _perfkit_words -f && return ;;
    "compare --arm") return ;;
    "compare --phase") return ;;
    "compare --metric") return ;;
    "compare --figure") _perfkit_words -W 'avg p50 p90 p95 p99' && return ;;
    "compare --at-least") return ;;
    "compare --fail-on") _perfkit_words -W worse && return ;;
    "compare --generator") return ;;
    "compare --format") _perfkit_words -W 'text md json csv' && return ;;
    "compare --db") _perfkit_words -f && return ;;
    "report --out") _perfkit_words -f && return ;;
    "report --format") _perfkit_words -W 'html md json' && return ;;
    "report --db") _perfkit_words -f && return ;;
    "rename --db") _perfkit_words -f && return ;;
    "remove --db") _perfkit_words -f && return ;;
    "keys add --site-name" | "keys add --site") return ;;
    "keys add --identifier") return ;;
    "keys add --expires") return ;;
    "keys add --keys") _perfkit_words -f && return ;;
    "keys list --keys") _perfkit_words -f && return ;;
    "keys revoke --keys") _perfkit_words -f && return ;;
    "users add --role") _perfkit_words -W 'viewer admin' && return ;;
    "users add --db") _perfkit_words -f && return ;;
    "users list --db") _perfkit_words -f && return ;;
    "users remove --db") _perfkit_words -f && return ;;
    "tokens add --expires") return ;;
    "tokens add --db") _perfkit_words -f && return ;;
    "tokens list --db") _perfkit_words -f && return ;;
    "tokens revoke --db") _perfkit_words -f && return ;;
    "query --lake") return ;;
    "query --named") return ;;
    "query --metric") return ;;
    "query --site-name" | "query --site") return ;;
    "query --machine") return ;;
    "query --from") return ;;
    "query --to") return ;;
    "query --label") return ;;
    "query --by") _perfkit_words -W 'avg p50 p95 p99 max' && return ;;
    "query --top") return ;;
    "query --bucket") return ;;
    "query --format") _perfkit_words -W 'table csv json' && return ;;
    "query --memory-limit") return ;;
    "query --timeout") return ;;
    "lake compact --memory-limit") return ;;
    "export --collector") return ;;
    "export --site-name" | "export --site") return ;;
    "export --from") return ;;
    "export --to") return ;;
    "export --outdir") _perfkit_words -f && return ;;
    "export --db") _perfkit_words -f && return ;;
    "prune --older-than") return ;;
    "prune --db") _perfkit_words -f && return ;;
    "serve --db") _perfkit_words -f && return ;;
    "serve --listen") return ;;
    "serve --receive") return ;;
    "serve --data") _perfkit_words -f && return ;;
    "serve --keys") _perfkit_words -f && return ;;
    "serve --tls-cert") _perfkit_words -f && return ;;
    "serve --tls-key") _perfkit_words -f && return ;;
    "serve --root-path") return ;;
    "serve --trusted-proxy") return ;;
    "serve --access-log") _perfkit_words -f && return ;;
    "serve --max-body") return ;;
    "serve --max-upload") return ;;
    "serve --site-name" | "serve --site") return ;;
    "serve --lake") return ;;
    "serve --retain") return ;;
    "serve --most-devices") return ;;
    "serve --keep-free") return ;;
    "mcp --db") _perfkit_words -f && return ;;
    "doctor --db") _perfkit_words -f && return ;;
    "doctor --server") return ;;
    "doctor --apikey") return ;;
    "doctor --apikey-file") _perfkit_words -f && return ;;
    "doctor --identifier") return ;;
    "doctor --cacert") _perfkit_words -f && return ;;
    esac
    case "$command" in
    "") if [[ $current == -* ]]; then _perfkit_words -W '--version -V --debug -h --help'; else _perfkit_words -W 'collect preflight mark process import runs compare report rename remove keys users tokens query lake export prune serve mcp doctor help'; fi ;;
    "collect") if [[ $current == -* ]]; then _perfkit_words -W '--mode --duration --frequency --collection --format --append --max-size --max-files --server --apikey --apikey-file --identifier --cacert --spool --spool-size --batch-size --flush-interval --containers --no-containers --services --no-services --processes --no-processes --cmdline --no-cmdline --burst --nice -h --help'; else _perfkit_words -f; fi ;;
    "preflight") if [[ $current == -* ]]; then _perfkit_words -W '--collection --wait --watch --machine --server --apikey --apikey-file --identifier --cacert --spool --label --stop-on-loss --json -h --help'; else _perfkit_words -f; fi ;;
    "mark") if [[ $current == -* ]]; then _perfkit_words -W '--collection --kind --all --server --apikey --apikey-file --cacert --site-name --site -h --help'; else _perfkit_words -f; fi ;;
    "process") if [[ $current == -* ]]; then _perfkit_words -W '--collection --outdir --container-names --parquet --lake --site-name --site --on --from --to --between --memory-limit --threads --json -h --help'; else _perfkit_words -f; fi ;;
    "import") if [[ $current == -* ]]; then _perfkit_words -W '--file --load --load-start --load-shift --collector-name --site-name --site --db --quiet -q -h --help'; else _perfkit_words -f; fi ;;
    "runs") if [[ $current == -* ]]; then _perfkit_words -W '--json --db -h --help'; else return; fi ;;
    "compare") if [[ $current == -* ]]; then _perfkit_words -W '--arm --phase --metric --figure --at-least --fail-on --generator --across-machines --format --db -h --help'; else _perfkit_words -f; fi ;;
    "report") if [[ $current == -* ]]; then _perfkit_words -W '--out --format --db -h --help'; else _perfkit_words -f; fi ;;
    "rename") if [[ $current == -* ]]; then _perfkit_words -W '--db -h --help'; else return; fi ;;
    "remove") if [[ $current == -* ]]; then _perfkit_words -W '--db -h --help'; else return; fi ;;
    "keys") if [[ $current == -* ]]; then _perfkit_words -W '-h --help'; else _perfkit_words -W 'add list revoke'; fi ;;
    "keys add") if [[ $current == -* ]]; then _perfkit_words -W '--site-name --site --identifier --expires --keys -h --help'; else return; fi ;;
    "keys list") if [[ $current == -* ]]; then _perfkit_words -W '--keys -h --help'; else return; fi ;;
    "keys revoke") if [[ $current == -* ]]; then _perfkit_words -W '--keys -h --help'; else return; fi ;;
    "users") if [[ $current == -* ]]; then _perfkit_words -W '-h --help'; else _perfkit_words -W 'add list remove'; fi ;;
    "users add") if [[ $current == -* ]]; then _perfkit_words -W '--role --password-stdin --db -h --help'; else return; fi ;;
    "users list") if [[ $current == -* ]]; then _perfkit_words -W '--db -h --help'; else return; fi ;;
    "users remove") if [[ $current == -* ]]; then _perfkit_words -W '--db -h --help'; else return; fi ;;
    "tokens") if [[ $current == -* ]]; then _perfkit_words -W '-h --help'; else _perfkit_words -W 'add list revoke'; fi ;;
    "tokens add") if [[ $current == -* ]]; then _perfkit_words -W '--expires --db -h --help'; else return; fi ;;
    "tokens list") if [[ $current == -* ]]; then _perfkit_words -W '--db -h --help'; else return; fi ;;
    "tokens revoke") if [[ $current == -* ]]; then _perfkit_words -W '--db -h --help'; else return; fi ;;
    "query") if [[ $current == -* ]]; then _perfkit_words -W '--lake --named --list --metric --site-name --site --machine --from --to --label --by --top --bucket --format --memory-limit --timeout -h --help'; else return; fi ;;
    "lake") if [[ $current == -* ]]; then _perfkit_words -W '-h --help'; else _perfkit_words -W 'compact'; fi ;;
    "lake compact") if [[ $current == -* ]]; then _perfkit_words -W '--memory-limit -h --help'; else return; fi ;;
    "export") if [[ $current == -* ]]; then _perfkit_words -W '--collector --site-name --site --from --to --outdir --db -h --help'; else return; fi ;;
    "prune") if [[ $current == -* ]]; then _perfkit_words -W '--older-than --live-only --db -h --help'; else return; fi ;;
    "serve") if [[ $current == -* ]]; then _perfkit_words -W '--db --listen --receive --no-dashboard --no-receive --open --data --keys --tls-cert --tls-key --root-path --trusted-proxy --access-log --max-body --max-upload --site-name --site --lake --retain --most-devices --keep-free -h --help'; else return; fi ;;
    "mcp") if [[ $current == -* ]]; then _perfkit_words -W '--db -h --help'; else _perfkit_words -f; fi ;;
    "doctor") if [[ $current == -* ]]; then _perfkit_words -W '--db --server --apikey --apikey-file --identifier --cacert --json -h --help'; else _perfkit_words -f; fi ;;
    "help") if [[ $current == -* ]]; then _perfkit_words -W '-h --help'; else _perfkit_words -W 'collect preflight mark process import runs compare report rename remove keys users tokens query lake export prune serve mcp doctor'; fi ;;
    esac
}

_perfkit_words() { # the words that compgen's arguments make of the current one; names of files as such
    [[ $1 == -f ]] && compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen "$@" -- "$current")
}

complete -F _perfkit perfkit perfkit.pyz
