//! Environments as the launchers leave them, recorded from each, and the ways in which they break.

use std::collections::BTreeMap;

use rankzero_slurm::{EnvError, Launch, Launcher};

fn env(text: &str) -> BTreeMap<String, String> {
    text.split_whitespace()
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn detect(text: &str) -> Result<Launch, EnvError> {
    Launch::detect(&env(text))
}

const OPEN_MPI_4: &str = "OMPI_COMM_WORLD_RANK=3 OMPI_COMM_WORLD_SIZE=8 OMPI_COMM_WORLD_LOCAL_RANK=1 \
    OMPI_COMM_WORLD_LOCAL_SIZE=4 OMPI_MCA_orte_hnp_uri=1.0;tcp://192.0.2.2:1 PMIX_RANK=3 PMIX_NAMESPACE=1";
const SRUN: &str = "SLURM_JOB_ID=77 SLURM_STEP_ID=2 SLURM_PROCID=4 SLURM_STEP_NUM_TASKS=5 SLURM_NTASKS=9 SLURM_LOCALID=0 \
    SLURM_NODEID=2 SLURM_STEP_TASKS_PER_NODE=2(x2),1 SLURM_STEP_NODELIST=n[1-3] SLURM_JOB_NODELIST=n[1-4] \
    SLURM_JOB_END_TIME=1800000000";

#[test]
fn nobody_started_it() {
    let launch = detect("PATH=/bin HOME=/root").expect("empty");
    assert_eq!((launch.launcher, launch.rank, launch.size, launch.local_size), (Launcher::None, 0, 1, 1));
    assert_eq!(launch.allocation, None);
    assert!(!launch.launcher.offers_mpi());
}

#[test]
fn mpirun_of_open_mpi() {
    let launch = detect(OPEN_MPI_4).expect("Open MPI 4");
    assert_eq!(launch.launcher, Launcher::OpenMpi { major: Some(4) });
    assert_eq!((launch.rank, launch.size, launch.local_rank, launch.local_size), (3, 8, 1, 4));
    let five = OPEN_MPI_4.replace("OMPI_MCA_orte_hnp_uri", "PRTE_LAUNCHED");
    assert_eq!(detect(&five).expect("Open MPI 5").launcher, Launcher::OpenMpi { major: Some(5) });
}

#[test]
fn mpirun_inside_an_allocation_is_the_innermost_launcher() {
    let launch = detect(&format!("{OPEN_MPI_4} {SRUN}")).expect("both");
    assert_eq!((launch.launcher, launch.rank), (Launcher::OpenMpi { major: Some(4) }, 3));
    assert_eq!(launch.allocation.expect("allocation").job, 77);
}

#[test]
fn mpiexec_of_mpich() {
    let launch = detect("PMI_RANK=1 PMI_SIZE=4 PMI_FD=7 MPI_LOCALRANKID=1 MPI_LOCALNRANKS=2").expect("Hydra");
    assert_eq!((launch.launcher, launch.rank, launch.size), (Launcher::Hydra, 1, 4));
    assert_eq!((launch.local_rank, launch.local_size), (1, 2));
}

#[test]
fn srun_with_pmi() {
    let launch = detect(&format!("{SRUN} PMIX_RANK=4 PMIX_NAMESPACE=slurm.pmix.77.2")).expect("pmix");
    assert_eq!((launch.launcher, launch.rank, launch.size), (Launcher::SlurmPmix, 4, 5));
    assert_eq!((launch.local_rank, launch.local_size), (0, 1));
    let allocation = launch.allocation.expect("allocation");
    assert_eq!((allocation.job, allocation.step, allocation.ends_at_s), (77, Some(2), Some(1_800_000_000)));
    assert_eq!(allocation.nodes, ["n1", "n2", "n3"]);
    let launch = detect(&format!("{SRUN} PMI_RANK=4 PMI_SIZE=5 PMI_FD=9")).expect("pmi2");
    assert_eq!(launch.launcher, Launcher::SlurmPmi2);
}

#[test]
fn srun_without_pmi_is_refused_unless_it_is_one_task() {
    let refusal = detect(SRUN).expect_err("five lonely tasks");
    assert_eq!(refusal, EnvError::NoPmi { size: 5 });
    assert!(refusal.to_string().contains("--mpi=pmix"));
    let one = SRUN.replace("SLURM_STEP_NUM_TASKS=5", "SLURM_STEP_NUM_TASKS=1").replace("PROCID=4", "PROCID=0");
    let launch = detect(&one.replace("NODEID=2", "NODEID=0").replace("2(x2),1", "1")).expect("one task");
    assert_eq!((launch.launcher, launch.size), (Launcher::Slurm, 1));
}

#[test]
fn the_script_of_sbatch_and_the_shell_of_salloc_are_no_tasks() {
    let batch = "SLURM_JOB_ID=5 SLURM_PROCID=0 SLURM_NTASKS=8 SLURM_LOCALID=0 SLURM_JOB_NODELIST=n[1-8]";
    for step in ["", "SLURM_STEP_ID=4294967291", "SLURM_STEP_ID=batch", "SLURM_STEP_ID=interactive"] {
        let launch = detect(&format!("{batch} {step}")).expect(step);
        assert_eq!((launch.launcher, launch.size), (Launcher::None, 1), "{step}");
        assert_eq!(launch.allocation.expect("allocation").nodes.len(), 8);
    }
}

#[test]
fn broken_environments_name_the_variable() {
    let pmix = format!("{SRUN} PMIX_RANK=4");
    let cases = [
        (OPEN_MPI_4.replace("WORLD_SIZE=8", "WORLD_SIZE=many"), "OMPI_COMM_WORLD_SIZE is `many`"),
        (OPEN_MPI_4.replace("WORLD_SIZE=8", "WORLD_SIZE=-1"), "OMPI_COMM_WORLD_SIZE is `-1`"),
        (OPEN_MPI_4.replace("WORLD_SIZE=8", "WORLD_SIZE="), "OMPI_COMM_WORLD_SIZE is missing"),
        (
            OPEN_MPI_4.replace("WORLD_SIZE=8", "WORLD_SIZE=3"),
            "OMPI_COMM_WORLD_RANK and OMPI_COMM_WORLD_SIZE contradict",
        ),
        (OPEN_MPI_4.replace("PMIX_RANK=3", "PMIX_RANK=2"), "OMPI_COMM_WORLD_RANK and PMIX_RANK contradict"),
        (OPEN_MPI_4.replace("LOCAL_RANK=1", "LOCAL_RANK=4"), "number 4 of 4"),
        (OPEN_MPI_4.replace("LOCAL_SIZE=4", "LOCAL_SIZE=9"), "9 ranks on this node, 8 in all"),
        (pmix.replace("PMIX_RANK=4", "PMIX_RANK=1"), "SLURM_PROCID and PMIX_RANK contradict"),
        (pmix.replace("SLURM_PROCID=4", ""), "SLURM_PROCID is missing though SLURM_STEP_ID"),
        (pmix.replace("2(x2),1", "2(x2"), "SLURM_STEP_TASKS_PER_NODE is `2(x2`"),
        (pmix.replace("2(x2),1", "2"), "SLURM_STEP_TASKS_PER_NODE is `2`"),
        (pmix.replace("n[1-3]", "n[3-1]"), "SLURM_STEP_NODELIST: host list `n[3-1]`"),
        (pmix.replace("JOB_ID=77", "JOB_ID=x"), "SLURM_JOB_ID is `x`"),
        (pmix.replace("STEP_ID=2", "STEP_ID=x"), "SLURM_STEP_ID is `x`"),
        ("PMI_RANK=1 MPI_LOCALRANKID=0".to_owned(), "PMI_SIZE is missing though PMI_RANK"),
    ];
    for (text, expected) in cases {
        let message = detect(&text).expect_err(expected).to_string();
        assert!(message.contains(expected), "`{message}` lacks `{expected}`");
    }
}

#[test]
fn a_directory_to_meet_in_goes_before_every_launcher() {
    let bare =
        "RANKZERO_RENDEZVOUS=/shared/a RANKZERO_RANK=2 RANKZERO_SIZE=6 RANKZERO_LOCAL_RANK=1 RANKZERO_LOCAL_SIZE=3";
    for others in ["", OPEN_MPI_4, SRUN] {
        let launch = detect(&format!("{bare} {others}")).expect("bare");
        assert_eq!((launch.launcher, launch.rank, launch.size), (Launcher::Bare, 2, 6));
        assert_eq!((launch.local_rank, launch.local_size), (1, 3));
        assert_eq!(launch.rendezvous.as_deref(), Some(std::path::Path::new("/shared/a")));
        assert!(launch.launcher.offers_peers() && !launch.launcher.offers_mpi());
    }
    assert!(detect(OPEN_MPI_4).expect("Open MPI").rendezvous.is_none());
}

#[test]
fn srun_without_pmi_numbers_ranks_that_meet_in_a_directory() {
    let launch = detect(&format!("RANKZERO_RENDEZVOUS=/shared/a {SRUN}")).expect("bare");
    assert_eq!((launch.launcher, launch.rank, launch.size), (Launcher::Bare, 4, 5));
    assert_eq!((launch.local_rank, launch.local_size), (0, 1));
    let by_hand = format!("RANKZERO_RENDEZVOUS=a RANKZERO_RANK=1 RANKZERO_SIZE=2 {SRUN}");
    let by_hand = detect(&by_hand).expect("ours go before Slurm's");
    assert_eq!((by_hand.rank, by_hand.size, by_hand.local_rank, by_hand.local_size), (1, 2, 0, 1));
}

#[test]
fn ranks_that_meet_in_a_directory_must_know_their_number() {
    let missing = |variable| EnvError::Missing { variable, present: "RANKZERO_RENDEZVOUS" };
    assert_eq!(detect("RANKZERO_RENDEZVOUS=a"), Err(missing("RANKZERO_RANK")));
    assert_eq!(detect("RANKZERO_RENDEZVOUS=a RANKZERO_RANK=0"), Err(missing("RANKZERO_SIZE")));
    let beyond = detect("RANKZERO_RENDEZVOUS=a RANKZERO_RANK=2 RANKZERO_SIZE=2").expect_err("no such rank");
    assert!(beyond.to_string().contains("RANKZERO_RANK and RANKZERO_SIZE contradict each other"), "{beyond}");
    let word = detect("RANKZERO_RENDEZVOUS=a RANKZERO_RANK=first RANKZERO_SIZE=2").expect_err("no number");
    assert!(word.to_string().contains("RANKZERO_RANK is `first`"), "{word}");
}
