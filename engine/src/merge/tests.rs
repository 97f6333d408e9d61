use super::*;
use proptest::prelude::*;

fn report(proxy: &str, boot: u64, totals: &[(u64, Arm, u64, u64)]) -> Report {
    let total = |&(tick, arm, started, failed): &(u64, Arm, u64, u64)| Total {
        step: 0,
        cohort: CohortKey::Tick(tick),
        arm,
        counts: [started, started, failed, started, 0, 0, 0, 0],
    };
    Report { proxy: proxy.to_owned(), boot, generation: 1, totals: totals.iter().map(total).collect() }
}

/// All that came out of a merge, by arm and start tick.
fn summed(news: &[Observations]) -> BTreeMap<(Arm, u64), [u64; 8]> {
    let mut sums = BTreeMap::new();
    for seen in news {
        for (arm, groups) in [(Arm::Canary, &seen.canary), (Arm::Stable, &seen.stable)] {
            for group in groups {
                let sum: &mut [u64; 8] = sums.entry((arm, seen.tick - group.age)).or_default();
                sum.iter_mut().zip(group.counts.to_array()).for_each(|(sum, count)| *sum += u64::from(count));
            }
        }
    }
    sums
}

proptest! {
    #[test]
    fn loss_repetition_and_order_of_messages_do_not_matter(order in proptest::collection::vec(0_usize..20, 0..60)) {
        let messages: Vec<Report> = (0..20_u64)
            .map(|at| {
                let (proxy, n) = (["a", "b"][(at % 2) as usize], at + 1);
                report(proxy, at % 3, &[(5, Arm::Canary, 10 * n, n), (6, Arm::Stable, 20 * n, 0)])
            })
            .collect();
        let mut merge = Merge::new(1, 128);
        let mut news: Vec<Observations> = order.iter().map(|&at| merge.accept(10, &messages[at])).collect();
        // However many came before, the last ones of each boot bring everything up to date.
        news.extend(messages[14..].iter().map(|message| merge.accept(11, message)));

        let mut fresh = Merge::new(1, 128);
        let plain: Vec<Observations> = messages.iter().map(|message| fresh.accept(11, message)).collect();
        prop_assert_eq!(summed(&news), summed(&plain));
    }
}

#[test]
fn a_proxy_that_starts_again_counts_from_zero() {
    let mut merge = Merge::new(1, 128);
    merge.accept(5, &report("a", 1, &[(5, Arm::Canary, 10, 2)]));
    let news = merge.accept(6, &report("a", 2, &[(5, Arm::Canary, 3, 1)]));
    assert_eq!((news.canary[0].age, news.canary[0].counts.started, news.canary[0].counts.failed), (1, 3, 1));
    let repeated = merge.accept(7, &report("a", 1, &[(5, Arm::Canary, 10, 2)]));
    assert_eq!((repeated.canary.len(), repeated.stable.len()), (0, 0));
}

#[test]
fn another_generation_adds_nothing() {
    let mut merge = Merge::new(1, 128);
    let stale = Report { generation: 0, ..report("a", 1, &[(5, Arm::Canary, 10, 10)]) };
    assert_eq!(merge.accept(5, &stale), Observations { tick: 5, ..Observations::default() });
}

#[test]
fn forgotten_cohorts_are_not_counted_again() {
    let mut merge = Merge::new(1, 128);
    let old = report("a", 1, &[(5, Arm::Canary, 10, 10)]);
    assert_eq!(merge.accept(5, &old).canary.len(), 1);
    assert!(merge.accept(6 + COHORT_TICKS, &old).canary.is_empty());
    assert!(merge.seen["a"].is_empty());
}

#[test]
fn late_outcomes_keep_their_step_and_meet_no_cohort() {
    let mut merge = Merge::new(1, 128);
    let late = |step| Report {
        proxy: "a".to_owned(),
        boot: 1,
        generation: 1,
        totals: vec![Total { step, cohort: CohortKey::Late, arm: Arm::Canary, counts: [0, 1, 1, 0, 0, 0, 0, 0] }],
    };
    assert_eq!(merge.accept(1_000, &late(400)).canary[0].age, 600);
    assert_eq!(merge.accept(1_000, &late(950)).canary[0].age, 128);
    assert!(merge.accept(5_000, &late(400)).canary.is_empty(), "late totals are never forgotten");
}

#[test]
fn absurd_totals_saturate() {
    let mut merge = Merge::new(1, 128);
    let news = merge.accept(5, &report("a", 1, &[(5, Arm::Canary, u64::MAX, 0)]));
    assert_eq!(news.canary[0].counts.started, u32::MAX);
}

#[test]
fn two_proxies_that_tripped_revert_and_one_waits_for_the_proof_of_the_others() {
    let mut trips = LocalTrips::default();
    assert_eq!(trips.decide(0, 0.0), TripDecision::GoOn);
    assert_eq!(trips.trip(10, "a"), TripDecision::Freeze);
    assert_eq!(trips.trip(11, "a"), TripDecision::Freeze);
    assert_eq!(trips.decide(209, 2.0), TripDecision::Freeze);
    let mut proven = trips.clone();
    assert_eq!(proven.decide(209, 3.0), TripDecision::KeepCap);
    assert_eq!(proven.decide(500, 0.0), TripDecision::GoOn);
    assert_eq!(trips.decide(210, 2.0), TripDecision::Pause);
    assert_eq!(trips.trip(300, "b"), TripDecision::Revert);
    assert_eq!(trips.decide(301, 9.0), TripDecision::Revert);
    assert_eq!(trips.proxies().collect::<Vec<_>>(), ["a", "b"]);
}
