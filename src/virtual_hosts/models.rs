//! Models of threads that replace virtual hosts while other threads judge requests and wait. loom runs each model in
//! every order that can make a difference; `.ci/loom` starts it.

use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::Notify;
use loom::thread;

use super::VirtualHosts;
use super::binding::Binding;
use super::relation::Relation;
use super::waiting::Watch;
use crate::host::Host;

/// A configuration.
struct Config;

/// The current configuration and its replacement.
fn configs() -> [Arc<Config>; 2] {
    [Config, Config].map(Arc::new)
}

fn hosts(config: &Arc<Config>) -> VirtualHosts<Config> {
    let hosts = VirtualHosts::builder().host("a.test", config.clone());
    hosts.build().unwrap()
}

fn replace(hosts: &VirtualHosts<Config>, config: &Arc<Config>) {
    let next = VirtualHosts::builder().host("a.test", config.clone());
    hosts.replace(next).unwrap();
}

/// Replaces the virtual hosts in a separate thread.
fn replacing(hosts: &VirtualHosts<Config>, config: &Arc<Config>) -> thread::JoinHandle<()> {
    let (hosts, config) = (hosts.clone(), config.clone());
    thread::spawn(move || replace(&hosts, &config))
}

fn name() -> Host {
    "a.test".parse().unwrap()
}

const NO_ADDRESS: Option<IpAddr> = None;

fn accept(hosts: &VirtualHosts<Config>) -> Binding {
    let selection = hosts.select_host(Some(name()), || NO_ADDRESS).unwrap();
    selection.into_parts().0
}

fn watch(binding: &Binding) -> Watch {
    binding.watch(Some(&name()), NO_ADDRESS)
}

fn is_outdated(binding: &Binding) -> bool {
    binding.is_outdated(Some(&name()), NO_ADDRESS)
}

/// A task that blocks until it is woken. If nothing wakes it, loom reports a deadlock.
struct Task(Notify);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

/// Polls until the connection is outdated, once for each wake-up.
fn wait(watch: &mut Watch) {
    let task = Arc::new(Task(Notify::new()));
    let waker = Waker::from(task.clone());
    while watch.poll(&mut Context::from_waker(&waker)).is_pending() {
        task.0.wait();
    }
}

#[test]
fn w2_no_wake_up_is_lost_between_a_replacement_and_a_wait() {
    loom::model(|| {
        let [one, two] = configs();
        let hosts = hosts(&one);
        let binding = accept(&hosts);
        let mut watch = watch(&binding);
        let replacing = replacing(&hosts, &two);
        wait(&mut watch);
        assert!(is_outdated(&binding));
        replacing.join().unwrap();
    });
}

#[test]
fn w2_no_wake_up_is_lost_between_a_replacement_and_a_connection_that_begins() {
    loom::model(|| {
        let [one, two] = configs();
        let hosts = hosts(&one);
        let replacing = replacing(&hosts, &two);
        let binding = accept(&hosts);
        let accepted_by = binding.virtual_host().config::<Config>().unwrap();
        match Arc::ptr_eq(accepted_by, &one) {
            true => wait(&mut watch(&binding)),
            false => {
                assert!(!watch(&binding).is_outdated());
                assert!(!is_outdated(&binding));
            }
        }
        replacing.join().unwrap();
    });
}

#[test]
fn w2_who_goes_while_he_is_woken_leaves_nothing_behind() {
    loom::model(|| {
        let [one, two] = configs();
        let hosts = hosts(&one);
        let waker = Arc::new(Task(Notify::new()));
        let watches = [(); 2].map(|()| {
            let mut watch = watch(&accept(&hosts));
            let task = Waker::from(waker.clone());
            assert!(watch.poll(&mut Context::from_waker(&task)).is_pending());
            watch
        });
        let [first, second] = watches;
        let going = thread::spawn(move || drop(first));
        let replacing = replacing(&hosts, &two);
        drop(second);
        going.join().unwrap();
        replacing.join().unwrap();
        assert_eq!(hosts.shared().waiting(), 0);
        // Neither the wakers nor the configuration are held any more.
        assert_eq!((Arc::strong_count(&waker), Arc::strong_count(&one)), (1, 1));
    });
}

#[test]
fn w2_who_comes_while_the_last_one_goes_is_found() {
    loom::model(|| {
        let [one, two] = configs();
        let hosts = hosts(&one);
        let (binding, last) = (accept(&hosts), watch(&accept(&hosts)));
        let going = thread::spawn(move || drop(last));
        let mut watch = watch(&binding);
        let task = Arc::new(Task(Notify::new()));
        let waker = Waker::from(task.clone());
        assert!(watch.poll(&mut Context::from_waker(&waker)).is_pending());
        going.join().unwrap();
        replace(&hosts, &two);
        task.0.wait();
        assert_eq!(
            watch.poll(&mut Context::from_waker(&waker)),
            Poll::Ready(())
        );
    });
}

#[test]
fn w3_a_connection_that_begins_when_its_configuration_comes_back_is_not_outdated() {
    loom::model(|| {
        let [one, two] = configs();
        let hosts = hosts(&one);
        // This connection shares its cohort with later connections under the same configuration.
        let outdated = watch(&accept(&hosts));
        replace(&hosts, &two);
        let replacing = replacing(&hosts, &one);
        let binding = accept(&hosts);
        let accepted_by = binding.virtual_host().config::<Config>().unwrap();
        match Arc::ptr_eq(accepted_by, &one) {
            true => assert!(!watch(&binding).is_outdated()),
            false => wait(&mut watch(&binding)),
        }
        replacing.join().unwrap();
        assert!(!outdated.is_outdated());
    });
}

#[test]
fn b6_no_request_is_served_under_a_configuration_that_was_replaced_before() {
    loom::model(|| {
        let [one, two] = configs();
        let hosts = hosts(&one);
        let binding = accept(&hosts);
        let mut watch = watch(&binding);
        let replacing = replacing(&hosts, &two);
        let relation = || binding.relation_of_server_name(&name());
        let (before, outdated) = (relation(), is_outdated(&binding));
        // Once a request was judged under another configuration, so are all later requests.
        if before != Relation::SameVirtualHost {
            assert!(outdated && relation() == Relation::OtherConfig);
        }
        let told = watch
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready();
        if told {
            assert!(is_outdated(&binding) && relation() == Relation::OtherConfig);
        }
        replacing.join().unwrap();
        assert_eq!(relation(), Relation::OtherConfig);
        assert!(is_outdated(&binding) && watch.is_outdated());
    });
}

#[test]
fn w2_two_replacements_at_once_leave_one_truth() {
    loom::model(|| {
        let [one, two] = configs();
        let hosts = hosts(&one);
        let binding = accept(&hosts);
        let watch = watch(&binding);
        let replacing = replacing(&hosts, &one);
        replace(&hosts, &two);
        replacing.join().unwrap();
        assert_eq!(watch.is_outdated(), is_outdated(&binding));
    });
}
