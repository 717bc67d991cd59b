//! Models of threads that change a list while others look hosts up. loom runs each in every order that can make a
//! difference; `.ci/loom` starts it.

use std::sync::Arc;

use loom::thread;

use super::copies::Copies;

#[test]
fn a_reader_sees_a_whole_value_and_never_an_older_one_again() {
    loom::model(|| {
        let copies = Arc::new(Copies::new([0, 0]));
        let writer = {
            let copies = copies.clone();
            thread::spawn(move || copies.change(|value| *value = [value[0] + 1, value[1] + 1]))
        };
        let seen = [(); 2].map(|()| copies.read(|value| *value));
        assert!(seen.iter().all(|[one, other]| one == other));
        assert!(seen[0] <= seen[1]);
        writer.join().unwrap();
        assert_eq!(copies.read(|value| *value), [1, 1]);
    });
}

#[test]
fn changes_of_two_writers_are_both_in_both_copies() {
    loom::model(|| {
        let copies = Arc::new(Copies::new(0));
        let writer = {
            let copies = copies.clone();
            thread::spawn(move || copies.change(|value| *value += 1))
        };
        copies.change(|value| *value += 10);
        writer.join().unwrap();
        assert_eq!(copies.read(|value| *value), 11);
        // Whichever copy is current now, the next change makes the other one current.
        copies.change(|_| ());
        assert_eq!(copies.read(|value| *value), 11);
    });
}

/// A reader that is suspended for one whole change comes to the copy that the next change has already changed. What it
/// reads there must not be taken back by what it reads next.
#[test]
fn a_reader_never_sees_a_change_before_it_is_made() {
    loom::model(|| {
        let copies = Arc::new(Copies::new(0));
        let writer = {
            let copies = copies.clone();
            thread::spawn(move || {
                for _ in 0..2 {
                    copies.change(|value| *value += 1);
                }
            })
        };
        let seen = [(); 2].map(|()| copies.read(|value| *value));
        assert!(seen[0] <= seen[1], "{seen:?}");
        writer.join().unwrap();
        assert_eq!(copies.read(|value| *value), 2);
    });
}
