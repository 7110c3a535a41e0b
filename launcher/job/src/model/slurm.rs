//! What `rankzero submit` asks of Slurm. Nothing here changes the result.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What `rankzero submit` asks of Slurm. Read by nothing else: inside an allocation its own size counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SlurmOptions {
    /// Nodes that compute; at least 1. Default 1.
    pub nodes: u32,
    /// Further nodes that stand by: a rank of a lost node is replaced there. Default 0.
    pub spare_nodes: u32,
    /// Ranks on each node; at least 1. Default 1, whose threads share the node's memory.
    pub tasks_per_node: u32,
    /// Cores of each rank; at least 1. Default none: what the site gives; with `exclusive` all of the node.
    pub cpus_per_task: Option<u32>,
    /// GPUs of each rank. Default 0.
    pub gpus_per_task: u32,
    /// Memory of each node, MiB; at least 1. Default none: what the site gives.
    pub memory_mb: Option<u64>,
    /// Whether nobody else may use the nodes. Default no.
    pub exclusive: bool,
    /// Whether srun binds ranks to cores. Default `none`: rankzero binds its threads itself.
    pub cpu_bind: CpuBind,
    /// Which of a node's GPUs a rank sees. Default `none`: what the site gives.
    pub gpu_bind: GpuBind,
    /// Longest time that the job may take: `minutes`, `hours:minutes:seconds` or `days-hours:minutes:seconds`. Default none: the
    /// partition's.
    pub time_limit: Option<String>,
    /// The partition. Default none: the site's.
    pub partition: Option<String>,
    /// The account that is charged. Default none: the user's.
    pub account: Option<String>,
    /// The quality of service. Default none: the account's.
    pub qos: Option<String>,
    /// Features that nodes must have, such as `haswell&gpu`. Default none.
    pub constraint: Option<String>,
    /// A reservation whose nodes are used. Default none.
    pub reservation: Option<String>,
    /// Jobs that come first, such as `afterok:1234`. Default none.
    pub dependency: Option<String>,
    /// Many runs of the job, one for each number. Default none.
    pub array: Option<SlurmArray>,
    /// Letters about the job. Default none.
    pub mail: Option<SlurmMail>,
    /// Modules to load, in this order. Default none.
    pub modules: Vec<String>,
    /// Variables of the environment of all ranks. Default none.
    pub environment: BTreeMap<String, String>,
    /// How long before the time limit the ranks are asked for a checkpoint and the job puts itself back into the queue, s; 10 to 65535.
    /// Default 120.
    pub checkpoint_before_s: u32,
    /// How often the job may put itself back into the queue at its time limit. Default 100; 0: never.
    pub requeues_max: u32,
    /// Further options of sbatch, such as `--switches=1`. Default none.
    pub options: Vec<String>,
}

impl Default for SlurmOptions {
    fn default() -> Self {
        Self {
            nodes: 1,
            spare_nodes: 0,
            tasks_per_node: 1,
            cpus_per_task: None,
            gpus_per_task: 0,
            memory_mb: None,
            exclusive: false,
            cpu_bind: CpuBind::None,
            gpu_bind: GpuBind::None,
            time_limit: None,
            partition: None,
            account: None,
            qos: None,
            constraint: None,
            reservation: None,
            dependency: None,
            array: None,
            mail: None,
            modules: Vec::new(),
            environment: BTreeMap::new(),
            checkpoint_before_s: 120,
            requeues_max: 100,
            options: Vec::new(),
        }
    }
}

/// Many runs of one job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlurmArray {
    /// The numbers, as sbatch has them: `1-8`, `0,3,7`, `1-100%4` (four at a time).
    pub tasks: String,
    /// The field of the job that is set to the number, such as `seed`. Default none.
    #[serde(default)]
    pub field: Option<String>,
}

/// Letters about a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlurmMail {
    /// The address.
    pub to: String,
    /// When. Default at its end, when it fails, and when it is put back into the queue.
    #[serde(default = "SlurmMail::occasions")]
    pub on: Vec<MailOn>,
}

impl SlurmMail {
    fn occasions() -> Vec<MailOn> {
        vec![MailOn::End, MailOn::Fail, MailOn::Requeue]
    }
}

/// An occasion for a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MailOn {
    /// The job begins.
    Begin,
    /// It has ended.
    End,
    /// It has failed.
    Fail,
    /// It was put back into the queue.
    Requeue,
}

/// What srun binds ranks to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CpuBind {
    /// Nothing. rankzero binds its threads itself.
    #[default]
    None,
    /// Cores.
    Cores,
    /// Hardware threads.
    Threads,
    /// Sockets.
    Sockets,
    /// NUMA domains.
    Ldoms,
}

/// Which of a node's GPUs a rank sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GpuBind {
    /// What the site gives.
    #[default]
    None,
    /// Those that are nearest to its cores.
    Closest,
    /// One each.
    Single,
}
