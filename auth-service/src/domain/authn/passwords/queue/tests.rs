//! The queue without threads: which requests are served, and which are refused.

use std::collections::HashSet;

use super::*;
use crate::domain::authn::source::Source;

const CAP: Option<usize> = Some(2);

fn queue(places: usize, waiting_per_pair: Option<usize>) -> Queue<String> {
    Queue::new(QueueLimits { places, turns: 1, waiting_per_pair })
}

fn arrival(address: &str, name: &str, class: Class) -> Arrival {
    Arrival::new(&Source::of(Some(address)), name, class)
}

/// Adds a request whose item is its address and its name; gives the one that overflows.
fn add(queue: &mut Queue<String>, address: &str, name: &str, class: Class) -> Option<String> {
    queue.enter(arrival(address, name, class), format!("{address} {name}")).expect("it is admitted");
    queue.overflow()
}

fn add_other(queue: &mut Queue<String>, address: &str, name: &str) -> Option<String> {
    add(queue, address, name, Class::Other)
}

/// Serves the next request, whose turn is over at once.
fn serve(queue: &mut Queue<String>) -> Option<String> {
    let (ticket, who) = queue.next()?;
    queue.release(ticket);
    Some(who)
}

fn serve_all(queue: &mut Queue<String>) -> Vec<String> {
    std::iter::from_fn(|| serve(queue)).collect()
}

/// Checks that nothing is left behind.
fn assert_empty<T>(queue: &Queue<T>) {
    assert_eq!((queue.waiting.len(), queue.served.len(), queue.pairs.len()), (0, 0, 0));
    assert_eq!((queue.known.nodes(), queue.other.nodes(), queue.taken_turns), (1, 1, 0));
}

#[test]
fn turns_go_round_robin_over_networks_then_over_what_is_in_them() {
    let mut queue = queue(64, CAP);
    for address in ["10.0.0.1", "10.0.0.2", "10.0.1.1", "10.1.0.1", "2001:db8::1", "2001:db8:0:1::"] {
        for name in ["a", "b"] {
            assert_eq!(add_other(&mut queue, address, name), None);
        }
    }
    let expected = [
        "10.0.0.1 a",       // 10.0/16, 10.0.0/24
        "10.1.0.1 a",       // 10.1/16
        "2001:db8::1 a",    // 2001:db8::/48
        "10.0.1.1 a",       // 10.0/16, the next /24
        "10.1.0.1 b",       // 10.1/16
        "2001:db8:0:1:: a", // the next /64
        "10.0.0.2 a",       // 10.0/16, 10.0.0/24, the next address
        "2001:db8::1 b",
        "10.0.1.1 b",
        "2001:db8:0:1:: b",
        "10.0.0.1 b",
        "10.0.0.2 b",
    ];
    assert_eq!(serve_all(&mut queue), expected);
    assert_empty(&queue);
}

#[test]
fn one_source_may_fill_the_queue_and_gives_way_to_every_smaller_network() {
    let mut queue = queue(64, None);
    for index in 0..64 {
        assert_eq!(add_other(&mut queue, "198.51.100.7", &index.to_string()), None, "a place is free");
    }
    assert_eq!(add_other(&mut queue, "198.51.100.7", "64").as_deref(), Some("198.51.100.7 64"), "the newest");
    for (index, newest) in (32..64).rev().enumerate() {
        let refused = add_other(&mut queue, &format!("10.{index}.0.1"), "victim");
        assert_eq!(refused, Some(format!("198.51.100.7 {newest}")));
    }
    assert_eq!(serve(&mut queue).as_deref(), Some("198.51.100.7 0"), "first come");
    assert_eq!(serve(&mut queue).as_deref(), Some("10.0.0.1 victim"), "then one by one");
}

#[test]
fn the_largest_network_is_sought_level_by_level() {
    let mut queue = queue(8, None);
    // One /16 has most; in it one /24 has most, though spread over addresses.
    for (address, name) in [
        ("10.0.0.1", "a"),
        ("10.0.0.1", "b"),
        ("10.0.1.1", "c"),
        ("10.0.1.2", "d"),
        ("10.0.1.3", "e"),
        ("10.9.0.1", "f"),
        ("10.9.0.1", "g"),
        ("10.9.0.1", "h"),
    ] {
        assert_eq!(add_other(&mut queue, address, name), None);
    }
    assert_eq!(add_other(&mut queue, "10.0.2.1", "x").as_deref(), Some("10.0.1.3 e"));
    assert_eq!(
        add_other(&mut queue, "10.0.3.1", "y").as_deref(),
        Some("10.0.1.2 d"),
        "the last of the equals"
    );
    assert_eq!(
        add_other(&mut queue, "10.9.0.2", "z").as_deref(),
        Some("10.0.0.1 b"),
        "not of its own network"
    );
    let address = "10.0.3.1";
    assert_eq!(
        add_other(&mut queue, address, "own").as_deref(),
        Some("10.0.3.1 own"),
        "its own is the largest"
    );
}

#[test]
fn a_source_gains_nothing_by_leaving_and_coming_again() {
    let mut queue = queue(64, None);
    for index in 0..8 {
        add_other(&mut queue, "192.0.2.1", &index.to_string());
    }
    for index in 0..8 {
        let eager = arrival("198.51.100.1", "x", Class::Other);
        let ticket = queue.enter(eager, String::new()).unwrap();
        queue.leave(ticket);
        queue.enter(eager, "eager".to_owned()).unwrap();
        assert_eq!(serve(&mut queue), Some(format!("192.0.2.1 {index}")));
        assert_eq!(serve(&mut queue).as_deref(), Some("eager"));
    }
    assert_empty(&queue);
}

#[test]
fn every_hash_of_a_turn_counts_for_its_source() {
    let mut queue = queue(64, None);
    for name in ["a", "b"] {
        add_other(&mut queue, "192.0.2.1", name);
    }
    let (ticket, _) = queue.next().unwrap();
    for address in ["198.51.100.1", "203.0.113.1"] {
        add_other(&mut queue, address, "v");
    }
    queue.finish(ticket, 2);
    queue.release(ticket);
    assert_eq!(serve_all(&mut queue), ["198.51.100.1 v", "203.0.113.1 v", "192.0.2.1 b"]);
    assert_empty(&queue);
}

#[test]
fn one_hash_runs_and_two_wait_for_an_identifier_from_a_source() {
    let mut queue = Queue::new(QueueLimits { places: 64, turns: 4, waiting_per_pair: CAP });
    let alice = arrival("192.0.2.1", "alice", Class::Other);
    let enter = |queue: &mut Queue<u32>, item| queue.enter(alice, item).is_some();
    assert!(enter(&mut queue, 0));
    let (running, _) = queue.next().unwrap();
    assert!(enter(&mut queue, 1) && enter(&mut queue, 2));
    assert!(!queue.admits(&alice) && !enter(&mut queue, 3), "one too many");
    assert!(queue.next().is_none(), "turns are free, but one of them runs");
    for (elsewhere, item) in [("192.0.2.2", "alice"), ("192.0.2.1", "bob")].into_iter().zip(10..) {
        queue.enter(arrival(elsewhere.0, elsewhere.1, Class::Other), item).unwrap();
        assert_eq!(queue.next().unwrap().1, item, "they are other pairs");
    }
    queue.finish(running, 1);
    assert!(queue.next().is_none(), "it is hashed, but not decided");
    queue.release(running);
    assert_eq!(queue.next().unwrap().1, 1);
    assert!(queue.admits(&alice) && queue.next().is_none());
}

#[test]
fn without_the_cap_any_number_runs_and_waits_for_an_identifier() {
    let mut queue = Queue::new(QueueLimits { places: 64, turns: 4, waiting_per_pair: None });
    for item in 0..64 {
        queue.enter(arrival("192.0.2.1", "alice", Class::Other), item).unwrap();
    }
    let running: Vec<_> = std::iter::from_fn(|| queue.next()).map(|(_, item)| item).collect();
    assert_eq!(running, [0, 1, 2, 3]);
    assert!(queue.overflow().is_none());
}

#[test]
fn known_ones_go_first_but_for_one_turn_in_five() {
    let mut queue = queue(64, CAP);
    for index in 0..12 {
        add_other(&mut queue, &format!("10.{index}.0.1"), "stranger");
    }
    for index in 0..8 {
        add(&mut queue, &format!("172.{index}.0.1"), "known", Class::Known);
    }
    let order = serve_all(&mut queue);
    let first: Vec<bool> = order.iter().take(11).map(|who| who.ends_with("known")).collect();
    assert_eq!(first, [true, true, true, true, false, true, true, true, true, false, false]);
    assert_eq!(order.len(), 20);
}

#[test]
fn no_stranger_takes_the_place_of_a_known_user_and_known_users_leave_some_to_strangers() {
    let mut queue = queue(64, CAP);
    for index in 0..64 {
        add_other(&mut queue, &format!("10.{index}.0.1"), "stranger");
    }
    // As small a network as any other, and yet not refused.
    for index in 0..48 {
        let refused = add(&mut queue, &format!("10.{index}.0.2"), "known", Class::Known).unwrap();
        assert!(refused.ends_with("stranger"), "{refused}");
    }
    let refused = add(&mut queue, "10.1.0.3", "known", Class::Known).unwrap();
    assert_eq!(refused, "10.1.0.3 known", "a quarter of the places is for others");
    for index in 100..200 {
        let refused = add_other(&mut queue, &format!("10.{index}.0.1"), "stranger").unwrap();
        assert!(refused.ends_with("stranger"), "{refused}");
    }
}

#[test]
fn known_ones_of_one_source_cannot_fill_the_queue_against_others() {
    let mut queue = queue(64, CAP);
    for index in 0..64 {
        assert_eq!(add(&mut queue, "198.51.100.7", &index.to_string(), Class::Known), None);
    }
    for index in 0..16 {
        let refused = add_other(&mut queue, &format!("10.{index}.0.1"), "stranger").unwrap();
        assert!(refused.starts_with("198.51.100.7"), "{refused}");
    }
    assert_eq!(add(&mut queue, "10.0.0.1", "known", Class::Known).as_deref(), Some("198.51.100.7 47"));
    for _ in 0..5 {
        serve(&mut queue);
    }
    assert_eq!(queue.other.waiting(), 15, "and they are served");
}

#[test]
fn sixty_four_thousand_sources_in_one_network_cost_no_more_than_few() {
    let mut queue = queue(1 << 16, CAP);
    for index in 0..1 << 16 {
        assert_eq!(add_other(&mut queue, &format!("2001:db8:0:{index:x}::1"), "x"), None);
    }
    assert_eq!(add_other(&mut queue, "192.0.2.1", "victim").as_deref(), Some("2001:db8:0:ffff::1 x"));
    serve(&mut queue);
    assert_eq!(serve(&mut queue).as_deref(), Some("192.0.2.1 victim"));
    // From one /56 to the next, not from one /64 to the next.
    let served: Vec<_> = (0..512).filter_map(|_| serve(&mut queue)).collect();
    let networks: HashSet<&str> = served.iter().map(|who| who.rsplit_once("::1 x").unwrap().0).collect();
    assert_eq!(networks.len(), 512);
    let blocks = served.iter().take(256).map(|who| {
        let own = u32::from_str_radix(who.trim_end_matches("::1 x").rsplit(':').next().unwrap(), 16);
        own.unwrap() >> 8
    });
    assert_eq!(blocks.collect::<HashSet<_>>().len(), 256);
    assert_eq!(serve_all(&mut queue).len(), (1 << 16) - 2 - 512);
    assert_empty(&queue);
}

/// Random operations; after each one the counts agree.
#[test]
fn whatever_happens_the_counts_are_right_and_nothing_is_left_behind() {
    let mut queue: Queue<()> = Queue::new(QueueLimits { places: 40, turns: 3, waiting_per_pair: CAP });
    let (mut state, mut waiting, mut served) = (7_u64, Vec::new(), Vec::new());
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    for _ in 0..20_000 {
        match random(5) {
            0 | 1 => {
                let address = format!("10.{}.{}.{}", random(3), random(2), random(3));
                let class = if random(3) == 0 { Class::Known } else { Class::Other };
                let name = random(2).to_string();
                waiting.extend(queue.enter(arrival(&address, &name, class), ()));
                while queue.overflow().is_some() {}
                assert!(queue.waiting.len() <= 40);
            }
            2 => served.extend(queue.next().map(|(ticket, ())| ticket)),
            3 if !waiting.is_empty() => queue.leave(waiting.swap_remove(random(waiting.len()))),
            _ if !served.is_empty() => queue.release(served.swap_remove(random(served.len()))),
            _ => {}
        }
        assert_eq!(queue.known.waiting() + queue.other.waiting(), queue.waiting.len());
        assert_eq!(queue.pairs.values().map(|pair| pair.waiting).sum::<usize>(), queue.waiting.len());
        assert!(queue.pairs.values().all(|pair| pair.running <= 1 && pair.waiting <= 2));
        assert!(queue.taken_turns <= 3);
    }
    for ticket in served {
        queue.release(ticket);
    }
    while let Some((ticket, ())) = queue.next() {
        queue.release(ticket);
    }
    assert_empty(&queue);
}

/// Logs in a hundred times beside 120 connections that send again at once when they are served or refused; gives how many
/// hashes were made from each arrival to the end of its own.
fn hashes_beside(attack: impl Fn(usize) -> Arrival, victim: Arrival) -> Vec<usize> {
    let mut queue: Queue<Option<usize>> =
        Queue::new(QueueLimits { places: 64, turns: 3, waiting_per_pair: CAP });
    let (mut sent, mut running, mut all) = (0, Vec::new(), Vec::new());
    let mut refill = |queue: &mut Queue<_>, running: &mut Vec<_>| {
        // Each of the connections that are not served has sent one more by now.
        for connection in 0..120 {
            sent += 1;
            let _ = queue.enter(attack(sent), Some(connection));
            running.extend(std::iter::from_fn(|| queue.next()));
            while let Some(refused) = queue.overflow() {
                assert!(refused.is_some(), "the victim is refused");
            }
        }
    };
    for _ in 0..100 {
        refill(&mut queue, &mut running);
        queue.enter(victim, None).expect("the victim is refused");
        let mut hashes = 0;
        loop {
            refill(&mut queue, &mut running);
            let (ticket, who) = running.remove(0);
            hashes += 1;
            queue.release(ticket);
            running.extend(std::iter::from_fn(|| queue.next()));
            if who.is_none() {
                break;
            }
        }
        all.push(hashes);
    }
    all
}

#[test]
fn a_hundred_logins_beside_any_network_succeed_within_ten_hashes_each() {
    let own = |index: usize| arrival("198.51.100.7", &(index % 12).to_string(), Class::Other);
    let own_known = |index: usize| arrival("198.51.100.7", &(index % 12).to_string(), Class::Known);
    let of_a_48 = |index: usize| {
        arrival(&format!("2001:db8:0:{:x}::1", index % 65_536), &index.to_string(), Class::Other)
    };
    let of_a_16 = |index: usize| {
        arrival(&format!("198.51.{}.{}", index / 256 % 256, index % 256), &index.to_string(), Class::Other)
    };
    let victim = |class| arrival("192.0.2.1", "victim", class);
    let cases = [
        hashes_beside(own, victim(Class::Other)),
        hashes_beside(own_known, victim(Class::Known)),
        hashes_beside(own_known, victim(Class::Other)),
        hashes_beside(of_a_48, victim(Class::Other)),
        hashes_beside(of_a_16, victim(Class::Other)),
        hashes_beside(of_a_16, arrival("198.51.7.9", "victim", Class::Known)),
    ];
    for (case, hashes) in cases.iter().enumerate() {
        assert!(hashes.iter().all(|hashes| *hashes <= 10), "{case}: {hashes:?}");
    }
}
