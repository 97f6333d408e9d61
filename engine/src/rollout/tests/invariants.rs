//! I1 to I6 and I7 (gates) over random histories: whatever comes in whatever order, these hold after every single input.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::plan::{Gate, Point, RawGate};

/// One random thing that happens.
#[derive(Clone, Debug)]
enum Happening {
    /// Ticks of traffic: requests a tick, one in so many canary and stable requests fails.
    Traffic {
        ticks: u16,
        requests: u32,
        canary_fails: u32,
        stable_fails: u32,
    },
    Silence(u16),
    Command(Command, Option<u64>),
    Release(u8),
    Removed,
    StablesChange(u8),
    Plan(bool, usize),
    GateAnswer {
        gate: &'static str,
        open: bool,
        behind: u64,
        of_generation: u64,
    },
    Storage(bool),
    Veto(u8, u64),
    PodFault(u64),
    StaleEvidence,
    Restart,
}

fn happening() -> impl Strategy<Value = Happening> {
    let command = prop_oneof![
        any::<bool>().prop_map(|full| Command::Promote { full }),
        Just(Command::Abort { reason: None }),
        Just(Command::Retry),
        Just(Command::Pause),
        Just(Command::Resume),
        (0_u16..=10_000).prop_map(|bp| Command::SetWeight(Weight::try_from_basis_points(bp).expect("in range"))),
    ];
    prop_oneof![
        8 => (1_u16..400, 0_u32..200, 0_u32..30, 0_u32..30)
            .prop_map(|(ticks, requests, canary_fails, stable_fails)| Happening::Traffic { ticks, requests, canary_fails, stable_fails }),
        2 => (1_u16..400).prop_map(Happening::Silence),
        4 => (command, proptest::option::of(0_u64..6)).prop_map(|(command, generation)| Happening::Command(command, generation)),
        2 => (1_u8..5).prop_map(Happening::Release),
        1 => Just(Happening::Removed),
        1 => (1_u8..5).prop_map(Happening::StablesChange),
        1 => (any::<bool>(), 0..GATES.len()).prop_map(|(short, gates)| Happening::Plan(short, gates)),
        8 => (prop_oneof![Just("a"), Just("b")], any::<bool>(), prop_oneof![4 => Just(0_u64), 1 => 1_u64..3], prop_oneof![4 => Just(0_u64), 1 => 1_u64..3])
            .prop_map(|(gate, open, behind, of_generation)| Happening::GateAnswer { gate, open, behind, of_generation }),
        1 => any::<bool>().prop_map(Happening::Storage),
        2 => (0_u8..3, 0_u64..6).prop_map(|(proxy, generation)| Happening::Veto(proxy, generation)),
        1 => (0_u64..6).prop_map(Happening::PodFault),
        1 => Just(Happening::StaleEvidence),
        1 => Just(Happening::Restart),
    ]
}

/// No gate, one at every point, two of which one is asked at the end only.
const GATES: [&str; 3] = [
    "[]",
    r#"[{"name": "a", "webhook": 0}]"#,
    r#"[{"name": "a", "before": ["start", "raise"], "webhook": 0}, {"name": "b", "before": ["promotion"], "webhook": 0}]"#,
];

fn plan_of(short: bool, gates: usize) -> Plan {
    let raw: Vec<RawGate<u32>> = serde_json::from_str(GATES[gates]).expect("gates parse");
    let gates = Gate::list_from_raw(&raw, false).expect("valid gates");
    let plan = mk_plan(
        if short { r#"{"canary": {"steps": [{"setWeight": 25}], "bake": "1s"}}"# } else { LADDER },
        r#"{"latency": {"max": "200ms"}, "minStepRequests": 20}"#,
    );
    Plan { gates, ..plan }
}

/// What every gate has said last to each question: generation, number, name.
type Said = BTreeMap<(u64, u64, String), bool>;

/// What a person or the configuration allowed since the last look.
#[derive(Default)]
struct Allowed {
    begin: bool,
    jump: bool,
    /// By `promote --full`.
    ungated: bool,
}

/// Sends one input and checks what must hold across it.
fn send_checked(world: &mut World, input: Input, allowed: &Allowed, said: &mut Said) {
    let before = world.rollout().clone();
    let (weight, generation, taken_back) = (before.weight(), before.generation(), before.is_taken_back());
    let missing = before.view(world.now).missing;
    let is_abort = matches!(input, Input::Command { generation: None, command: Command::Abort { .. } });
    if let Input::GateAnswer(answer) = &input {
        said.insert((answer.generation, answer.question, answer.gate.clone()), answer.open);
    }
    let twin = before.clone().step(world.now, input.clone());
    let actions = world.send(input);

    // I6: the same input gives the same actions and the same state.
    assert_eq!(actions, twin.1);
    assert_eq!(world.rollout().view(world.now), twin.0.view(world.now));

    let after = world.rollout();
    // I1: what was taken back stays at 0 without `retry` or a new generation.
    if taken_back && !allowed.begin {
        assert!(after.weight().is_zero(), "a taken-back canary got weight");
        assert!(actions.iter().all(|action| !matches!(action, Action::SetWeight { weight, .. } if !weight.is_zero())));
    }
    // I2: generations never go back, and no action speaks for an older one than the last before it.
    assert!(after.generation() >= generation);
    let mut newest = generation;
    for action in &actions {
        if let Action::SetWeight { generation, .. }
        | Action::Scale { generation, .. }
        | Action::Finish { generation, .. } = action
        {
            assert!(*generation >= newest, "an action for generation {generation} after {newest}");
            newest = *generation;
        }
    }
    // I3: by itself a weight rises one step at a time, and not while evidence is missing.
    if after.weight() > weight
        && !allowed.begin
        && !allowed.jump
        && after.generation() == generation
        && !weight.is_zero()
    {
        assert!(missing.is_empty(), "rose from {weight} to {} while {missing:?}", after.weight());
        let weights = after.view(world.now).step_weights;
        let place = |w: Weight| weights.iter().position(|step| *step == w).expect("a planned weight");
        assert_eq!(place(after.weight()), place(weight) + 1, "more than one step");
    }
    // I7: no raise without a yes of every gate to that very question.
    if after.weight() > weight && !allowed.ungated {
        check_gates(&before, after, world.now, said);
    }
    // I4: abort is accepted everywhere and ends at 0.
    if is_abort {
        assert!(after.weight().is_zero());
        assert!(!actions.iter().any(|action| matches!(action, Action::Refuse(_))));
    }
    // The weight that the driver was told is the weight that the rollout shows.
    assert_eq!(world.applied, after.weight());
}

/// Recomputed from the weights alone: which gates stood before the raise that has just come.
fn check_gates(before: &Rollout, after: &Rollout, now: u64, said: &Said) {
    let is_new = before.generation() != after.generation();
    let is_unjudged = matches!(&after.state, State::Trial(trial) if trial.unjudged);
    // Back to a weight that was earned before an outage: that asks nobody.
    let is_return = !is_new
        && before.weight().is_zero()
        && matches!(&before.state, State::Trial(trial) if matches!(trial.stage, trial::Stage::Step(_)));
    if is_unjudged || is_return {
        return;
    }
    let weights = after.view(now).step_weights;
    let step = weights.iter().position(|weight| *weight == after.weight()).expect("a planned weight");
    let mut due = vec![if step == 0 { Point::Start } else { Point::Raise }];
    due.extend((step + 1 == weights.len()).then_some(Point::Promotion));
    for gate in after.plan().gates.iter().filter(|gate| gate.before().iter().any(|point| due.contains(point))) {
        let question = before.question().filter(|_| !is_new).expect("a raise past a gate that nobody has asked");
        assert_eq!(question.next, after.weight());
        let key = (question.generation, question.number, gate.name().to_owned());
        assert_eq!(
            said.get(&key),
            Some(&true),
            "{} to {} without a yes of {}",
            question.weight,
            question.next,
            gate.name()
        );
    }
}

fn happen(world: &mut World, happening: Happening, said: &mut Said) {
    let none = Allowed::default();
    let begin = Allowed { begin: true, jump: true, ungated: false };
    match happening {
        Happening::Traffic { ticks, requests, canary_fails, stable_fails } => {
            (world.traffic, world.canary_fails, world.stable_fails) = (requests, canary_fails, stable_fails);
            (0..ticks).for_each(|_| tick_checked(world, &none, said));
        }
        Happening::Silence(ticks) => {
            world.traffic = 0;
            (0..ticks).for_each(|_| tick_checked(world, &none, said));
        }
        Happening::Command(command, generation) => {
            let allowed = Allowed {
                begin: command == Command::Retry,
                jump: matches!(command, Command::Promote { .. } | Command::SetWeight(_) | Command::Resume),
                ungated: command == Command::Promote { full: true },
            };
            send_checked(world, Input::Command { generation, command }, &allowed, said);
        }
        Happening::Release(version) => {
            send_checked(world, Input::NewCanary { version: format!("v{version}") }, &begin, said)
        }
        Happening::Removed => send_checked(world, Input::CanaryRemoved, &none, said),
        Happening::StablesChange(version) => {
            send_checked(world, Input::StableIs { version: format!("v{version}") }, &begin, said)
        }
        Happening::Plan(short, gates) => {
            let allowed = Allowed { begin: !world.rollout().is_taken_back(), jump: true, ungated: false };
            let (generation, plan) = (world.rollout().generation(), plan_of(short, gates));
            let is_same = plan.is_same_but_for_gates(world.rollout().plan());
            send_checked(world, Input::PlanChanged(Box::new(plan)), &allowed, said);
            assert!(!is_same || world.rollout().generation() == generation, "other gates began a generation");
        }
        Happening::GateAnswer { gate, open, behind, of_generation } => {
            let present = world.rollout().question();
            let number = present.as_ref().map_or(1, |question| question.number).saturating_sub(behind);
            let generation = world.rollout().generation().saturating_sub(of_generation);
            let (gate, message) = (gate.to_owned(), String::new());
            let answer = GateAnswer { generation, question: number, gate, open, message };
            let is_to_present = present.is_some_and(|question| {
                (question.generation, question.number) == (generation, number)
                    && question.gates.iter().any(|(name, _)| *name == answer.gate)
            });
            let seen = world.rollout().view(world.now);
            send_checked(world, Input::GateAnswer(answer), &none, said);
            assert!(is_to_present || world.rollout().view(world.now) == seen, "an answer to nothing did something");
        }
        Happening::Storage(writable) => send_checked(world, Input::Storage { writable }, &none, said),
        Happening::Veto(proxy, generation) => {
            let weight = world.rollout().weight();
            let veto = Input::ProxyVeto { proxy: proxy.to_string(), generation };
            send_checked(world, veto.clone(), &none, said);
            // I5: a fleet's message only ever lowers, and saying it again changes nothing.
            assert!(world.rollout().weight() <= weight);
            let seen = world.rollout().view(world.now);
            send_checked(world, veto, &none, said);
            assert_eq!(world.rollout().view(world.now), seen);
        }
        Happening::PodFault(generation) => {
            send_checked(world, Input::PodFault { generation, reason: "OOMKilled".to_owned() }, &none, said)
        }
        Happening::StaleEvidence => {
            // I2, and "late counts of an old generation change nothing".
            let seen = world.rollout().view(world.now);
            let bad = Counts { started: 1_000, done: 1_000, failed: 1_000, slow: 1_000, ..Counts::default() };
            let stale = Observations { tick: 3, canary: vec![Group { age: 0, counts: bad }], stable: Vec::new() };
            let generation = world.rollout().generation() + 1;
            send_checked(world, Input::Evidence { generation, seen: stale, beat: true }, &none, said);
            assert_eq!(world.rollout().view(world.now), seen);
        }
        Happening::Restart => restart(world, said),
    }
}

fn tick_checked(world: &mut World, allowed: &Allowed, said: &mut Said) {
    let tick = world.now.saturating_sub(world.rollout().origin_ms()) / TICK_MS;
    let canary = (f64::from(world.traffic) * world.applied.fraction()).round() as u32;
    let groups = [world.group(0, world.traffic - canary), world.group(1, canary)];
    let seen = Observations { tick, stable: vec![groups[0]], canary: vec![groups[1]] };
    let generation = world.rollout().generation();
    world.now += TICK_MS;
    // Suspension ends by itself at the previous weight: that is no rise above what was earned.
    send_checked(world, Input::Evidence { generation, seen, beat: tick % 2 == 1 }, allowed, said);
    if tick % 2 == 1 {
        send_checked(world, Input::Tick, allowed, said);
    }
}

/// A restart forgets counts and questions, and neither a veto nor a step.
fn restart(world: &mut World, said: &mut Said) {
    said.clear();
    let before = world.rollout().clone();
    let (rollout, _) = Rollout::restore(before.plan().clone(), before.save(world.now), world.now);
    assert!(rollout.weight() <= before.weight());
    assert_eq!(rollout.is_taken_back(), before.is_taken_back());
    assert_eq!((rollout.stable(), rollout.generation()), (before.stable(), before.generation()));
    world.applied = rollout.weight();
    world.rollout = Some(rollout);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_invariants_hold_over_any_history(gates in 0..GATES.len(), happenings in proptest::collection::vec(happening(), 1..30)) {
        let mut world = World::with(Rollout::new(plan_of(false, gates), "v1".to_owned()));
        let mut said = Said::new();
        for each in happenings {
            happen(&mut world, each, &mut said);
        }
    }
}
