use super::*;

/// SplitMix64: random bits with a seed.
struct Bits(u64);

impl Bits {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        finalise(self.0)
    }
}

fn weight(basis_points: u16) -> Weight {
    Weight::try_from_basis_points(basis_points).unwrap()
}

fn canaries(requests: usize, basis_points: u16, seed: u64) -> Vec<bool> {
    let (mut draw, mut bits) = (Draw::new(), Bits(seed));
    (0..requests).map(|_| draw.next(weight(basis_points), bits.next()) == Arm::Canary).collect()
}

#[test]
fn ten_thousand_requests_meet_the_weight_within_half_a_point() {
    for basis_points in [1, 10, 100, 500, 1_000, 2_500, 3_333, 5_000, 9_000, 9_999] {
        for seed in 0..50 {
            let count = canaries(10_000, basis_points, seed).iter().filter(|&&canary| canary).count();
            let off = count as f64 / 10_000.0 - f64::from(basis_points) / 10_000.0;
            assert!(off.abs() <= 0.0005, "{basis_points} bp, seed {seed}: off by {off}");
        }
    }
}

#[test]
fn each_request_has_the_chance_of_the_weight_wherever_it_stands() {
    const RUNS: u32 = 40_000;
    for basis_points in [50, 500, 3_300, 5_000] {
        let w = f64::from(basis_points) / 10_000.0;
        let mut counts = [0_u32; 60];
        for seed in 0..RUNS {
            let run = canaries(counts.len(), basis_points, u64::from(seed) << 20);
            counts.iter_mut().zip(run).for_each(|(count, canary)| *count += u32::from(canary));
        }
        let deviation = (w * (1.0 - w) / f64::from(RUNS)).sqrt();
        for (place, count) in counts.into_iter().enumerate() {
            let off = f64::from(count) / f64::from(RUNS) - w;
            assert!(off.abs() < 4.5 * deviation, "{basis_points} bp, place {place}: off by {off}");
        }
    }
}

#[test]
fn the_chance_stays_right_when_the_weight_changes_all_the_time() {
    let (mut draw, mut bits) = (Draw::new(), Bits(7));
    let mut canary = 0;
    for request in 0..400_000 {
        let weight = weight(if request % 6 < 3 { 1_000 } else { 1_010 });
        canary += u32::from(draw.next(weight, bits.next()) == Arm::Canary);
    }
    assert!((f64::from(canary) / 400_000.0 - 0.1005).abs() < 0.002, "{canary}");
}

#[test]
fn nothing_and_everything_are_exact() {
    assert!(canaries(100_000, 0, 1).iter().all(|&canary| !canary));
    assert!(canaries(100_000, 10_000, 1).iter().all(|&canary| canary));
}

#[test]
fn lowering_to_zero_takes_effect_with_the_next_request() {
    let (mut draw, mut bits) = (Draw::new(), Bits(3));
    (0..5).for_each(|_| _ = draw.next(weight(9_999), bits.next()));
    assert_eq!(draw.next(Weight::ZERO, bits.next()), Arm::Stable);
}

#[test]
fn periodic_requests_do_not_line_up_with_the_split() {
    // Every n-th request is of one kind; its share of the canary has to be the weight for every n and phase.
    let run = canaries(1_200_000, 500, 11);
    for period in [2, 3, 4, 5, 8, 10, 16, 20, 40, 80, 100] {
        for phase in 0..period.min(7) {
            let kind: Vec<bool> = run.iter().skip(phase).step_by(period).copied().collect();
            let share = kind.iter().filter(|&&canary| canary).count() as f64 / kind.len() as f64;
            let deviation = (0.05 * 0.95 / kind.len() as f64).sqrt();
            assert!((share - 0.05).abs() < 5.0 * deviation, "every {period}th from {phase}: {share}");
        }
    }
}

#[test]
fn blocks_hold_their_number_exactly() {
    // At 5 % a block has 40 requests, two of them for the canary, and nothing is carried.
    let run = canaries(40 * 500, 500, 5);
    assert!(run.chunks(40).all(|block| block.iter().filter(|&&canary| canary).count() == 2));
}

#[test]
fn buckets_are_those_of_every_version() {
    // Users must not move with an update: these values never change.
    assert_eq!(sticky_bucket(b"", 0), 5_048);
    assert_eq!(sticky_bucket(b"user-1", 0), 3_839);
    assert_eq!(sticky_bucket(b"user-1", salt(&["shop", "v2"])), 5_296);
}

#[test]
fn buckets_are_uniform_also_for_keys_that_count_up() {
    let mut counts = [0_u32; 100];
    for user in 0..200_000 {
        counts[usize::from(sticky_bucket(format!("user-{user}").as_bytes(), 42)) / 100] += 1;
    }
    let chi: f64 = counts.iter().map(|&count| (f64::from(count) - 2_000.0).powi(2) / 2_000.0).sum();
    assert!(chi < 160.0, "χ² = {chi} with 99 degrees of freedom");
}

#[test]
fn raising_the_weight_moves_users_to_the_canary_and_nobody_back() {
    for user in 0..2_000_u32 {
        let bucket = sticky_bucket(&user.to_le_bytes(), 1);
        let arms: Vec<Arm> = (0..=100).map(|percent| sticky_arm(bucket, weight(percent * 100))).collect();
        assert!(arms.is_sorted(), "user {user}");
        assert_eq!((arms[0], arms[100]), (Arm::Stable, Arm::Canary));
    }
}

#[test]
fn another_salt_chooses_other_users() {
    let first = |salt| move |user: &u32| sticky_bucket(&user.to_le_bytes(), salt) < 500;
    let both = (0..20_000_u32).filter(first(1)).filter(first(2)).count();
    assert!((20..90).contains(&both), "{both} of 20,000 are among the first 5 % of two salts, expected 50");
    assert_ne!(salt(&["ab", "c"]), salt(&["a", "bc"]));
}
