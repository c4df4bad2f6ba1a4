#!/usr/bin/env bash
# A throw-away Slurm on loopback: no systemd, root or an ordinary user, several at once on other ports.
#
#   loopback.sh up DIR      NODES=1 GPUS=2 (fake) PORT=16817 (and the next 10 + NODES) ACCOUNTING= (1: slurmdbd, MariaDB)
#   loopback.sh down DIR    stops what it started, by pid file
#
# `up` prints `export SLURM_CONF=...`, to be evaluated. Needs slurmctld, slurmd, slurm-client and munge; with
# ACCOUNTING=1 also slurmdbd and mariadb-server.
set -euo pipefail
export PATH="$PATH:/usr/sbin:/sbin"
action=${1:?up or down}; dir=$(realpath -m "${2:?a folder}")

pids() { cat "$dir"/slurmd_*.pid "$dir"/{slurmctld,slurmdbd,mariadbd}.pid "$dir/munge/munged.pid" 2>/dev/null || true; }

down() {
  local pid all; all=$(pids)
  # of a node whose daemon was killed, jobs stay behind, each the leader of a group
  for pid in $(pgrep -f "$dir/d_.*/slurm_script"); do kill -9 -- "-$pid" 2>/dev/null || true; done
  for pid in $all; do kill "$pid" 2>/dev/null || true; done
  for _ in $(seq 100); do
    for pid in $all; do kill -0 "$pid" 2>/dev/null && { sleep 0.1; continue 2; }; done
    return 0
  done
  for pid in $all; do kill -9 "$pid" 2>/dev/null || true; done
}

await() { for _ in $(seq 150); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done; echo "waited in vain: $*" >&2; return 1; }

configure() {
  local host names ports memory
  host=$(hostname -s)
  memory=$(( $(awk '/MemTotal/{print int($2/1024*0.9)}' /proc/meminfo) / nodes ))
  names=n1; ports=$((port + 4))
  [ "$nodes" -gt 1 ] && { names="n[1-$nodes]"; ports="$((port + 4))-$((port + 3 + nodes))"; }
  cat > "$dir/slurm.conf" <<END
ClusterName=loop
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthType=auth/munge
AuthInfo=socket=$dir/run/munge.sock,cred_expire=${CRED_EXPIRE:-5}
CredType=cred/munge
SlurmUser=$user
SlurmdUser=$user
StateSaveLocation=$dir/ctld
SlurmdSpoolDir=$dir/d_%n
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd_%n.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd_%n.log
SwitchType=switch/none
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=0
ReturnToService=2
MinJobAge=${MIN_JOB_AGE:-300}
KillWait=${KILL_WAIT:-5}
GresTypes=gpu
NodeName=$names NodeHostname=$host NodeAddr=127.0.0.1 Port=$ports CPUs=${CPUS:-$(nproc)} RealMemory=$memory Gres=gpu:$gpus State=UNKNOWN
PartitionName=main Nodes=$names Default=YES MaxTime=INFINITE State=UP DefMemPerCPU=500 PriorityTier=1 PreemptMode=REQUEUE GraceTime=${GRACE:-5}
PartitionName=urgent Nodes=$names MaxTime=INFINITE State=UP DefMemPerCPU=500 PriorityTier=10 PreemptMode=OFF
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
END
  # devices that are none: they only set CUDA_VISIBLE_DEVICES
  echo "NodeName=$names Name=gpu File=/dev/tty[0-$((gpus - 1))]" > "$dir/gres.conf"
}

account() {
  printf 'AccountingStorageType=accounting_storage/slurmdbd\nAccountingStorageHost=127.0.0.1\nAccountingStoragePort=%s\nAccountingStoragePass=%s\n' \
    $((port + 1)) "$dir/run/munge.sock" >> "$dir/slurm.conf"
  mkdir -p "$dir/db"
  mariadb-install-db --no-defaults --user="$user" --datadir="$dir/db" --auth-root-authentication-method=normal --skip-test-db > "$dir/log/install.log" 2>&1
  mariadbd --no-defaults --user="$user" --datadir="$dir/db" --socket="$dir/run/db.sock" --bind-address=127.0.0.1 --port=$((port + 2)) \
    --pid-file="$dir/mariadbd.pid" --innodb-buffer-pool-size=64M --innodb-lock-wait-timeout=900 > "$dir/log/mariadbd.log" 2>&1 &
  await test -S "$dir/run/db.sock"
  mariadb --no-defaults --socket="$dir/run/db.sock" -u root -e "create database slurm_acct_db;
    create user 'slurm'@'127.0.0.1' identified by 'x'; create user 'slurm'@'localhost' identified by 'x';
    grant all on slurm_acct_db.* to 'slurm'@'127.0.0.1'; grant all on slurm_acct_db.* to 'slurm'@'localhost';"
  cat > "$dir/slurmdbd.conf" <<END
AuthType=auth/munge
AuthInfo=socket=$dir/run/munge.sock,cred_expire=${CRED_EXPIRE:-5}
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort=$((port + 1))
SlurmUser=$user
PidFile=$dir/slurmdbd.pid
LogFile=$dir/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=$((port + 2))
StorageUser=slurm
StoragePass=x
StorageLoc=slurm_acct_db
END
  chmod 600 "$dir/slurmdbd.conf"
  slurmdbd
  await sacctmgr -i add cluster loop
}

up() {
  nodes=${NODES:-1}; gpus=${GPUS:-2}; port=${PORT:-16817}; user=$(id -un)
  rm -rf "$dir"
  mkdir -p "$dir"/{munge,run,ctld,log}
  chmod 755 "$dir" "$dir/run"; chmod 700 "$dir/munge"
  dd if=/dev/urandom of="$dir/munge/munge.key" bs=128 count=1 status=none
  chmod 400 "$dir/munge/munge.key"
  munged --force --key-file="$dir/munge/munge.key" --socket="$dir/run/munge.sock" --pid-file="$dir/munge/munged.pid" \
    --log-file="$dir/munge/munged.log" --seed-file="$dir/munge/munge.seed" --num-threads=2
  configure
  export SLURM_CONF="$dir/slurm.conf"
  [ -n "${ACCOUNTING:-}" ] && account
  slurmctld -f "$SLURM_CONF" -c
  for k in $(seq "$nodes"); do mkdir -p "$dir/d_n$k"; slurmd -f "$SLURM_CONF" -N "n$k"; done
  idle() { [ "$(sinfo -h -N -p main -o %T | grep -c idle)" = "$nodes" ]; }
  await idle
  echo "export SLURM_CONF=$SLURM_CONF"
}

trap '[ "$action" = up ] && down' ERR
"$action"
