#!/usr/bin/env bash
# Prints the slurm.conf of a laboratory.
# Usage: conf.sh FORM NODES DIRECTORY [PORT]
#   spread   every node is a machine of its own (namespaces), slurmctld runs on ctl
#   plain    all on this host and 127.0.0.1, ports from PORT on, one ordinary user
set -euo pipefail
form=$1 nodes=$2 directory=$3 port=${4:-0}

case $form in
    spread)
        cat <<END
SlurmctldHost=ctl(10.77.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort=6817
SlurmdPort=6818
NodeName=n[1-$nodes] NodeAddr=10.77.0.[11-$((10 + nodes))] CPUs=64 RealMemory=4096 Gres=gpu:8
GresTypes=gpu
# Nodes share no folder for temporary files; each finds its own there.
TmpFS=$directory/tmp
END
        ;;
    plain)
        user=$(id -un)
        host=$(hostname -s)
        cat <<END
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$user
SlurmdUser=$user
SlurmctldPort=$port
SrunPortRange=$((port + 100))-$((port + 999))
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
TmpFS=$directory/tmp/%n
END
        for ((node = 1; node <= nodes; node++)); do
            echo "NodeName=n$node NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + node)) CPUs=4 RealMemory=4096"
        done
        ;;
    *)
        echo "conf.sh: no form $form" >&2
        exit 2
        ;;
esac

cat <<END
ClusterName=lab
AuthType=auth/munge
# A job that was put back into the queue waits until its old credentials have expired: two minutes by default.
AuthInfo=socket=$directory/munge/socket,cred_expire=10
CredType=cred/munge
StateSaveLocation=$directory/spool/ctl
SlurmdSpoolDir=$directory/spool/%n
SlurmctldPidFile=$directory/pid/slurmctld
SlurmdPidFile=$directory/pid/slurmd.%n
SlurmctldLogFile=${LAB_LOG:-$directory/log}/slurmctld
SlurmdLogFile=${LAB_LOG:-$directory/log}/slurmd.%n
SlurmctldDebug=verbose
SlurmdDebug=verbose
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MailProg=/bin/true
SwitchType=switch/none
MpiDefault=none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
# Nodes have the CPUs that this file says, whatever the machine has.
SlurmdParameters=config_overrides
ReturnToService=2
# A node that does not answer is down after some 25 s; at most sites after minutes.
SlurmctldTimeout=30
SlurmdTimeout=10
MessageTimeout=10
TCPTimeout=2
KillWait=5
UnkillableStepTimeout=120
MinJobAge=300
InactiveLimit=0
WaitTime=0
JobRequeue=1
PropagateResourceLimits=NONE
PartitionName=lab Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
END
