# /etc/bash.bashrc: every interactive bash
[ -n "${PS1:-}" ] || return 0
shopt -s checkwinsize
PS1='\u@\h:\w\$ '
alias ls='ls --color=auto'
alias ll='ls -l'
