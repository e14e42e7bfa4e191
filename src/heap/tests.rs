//! Lists of blocks: order, cursors, ends, bytes, and that nothing changes without memory.
//! What the core does without memory is shown where it does it.

extern crate std;
use super::{CursorList, Lazy, List, OutOfMemory, Tracking, testing};
use std::vec::Vec;

fn list(n: u32) -> CursorList<u32> {
    let mut list = CursorList::new();
    for i in 0..n {
        list.push_back(i, &[&[0, 0], &(i as u16).to_be_bytes()]).unwrap();
    }
    list
}

fn values<K: Tracking>(list: &List<u32, K>) -> Vec<u32> {
    list.iter().map(|i| *i.value).collect()
}

#[test]
fn blocks_keep_their_order_and_bytes() {
    let mut l = list(3);
    l.push_front(9, &[&[7]]).unwrap();
    assert_eq!(values(&l), [9, 0, 1, 2]);
    assert_eq!(l.iter().map(|i| i.bytes.len()).collect::<Vec<_>>(), [1, 4, 4, 4]);
    assert_eq!(l.iter().last().unwrap().bytes, [0, 0, 0, 2]);
}

#[test]
fn a_list_grows_at_its_end_also_where_its_only_block_was_put_at_the_front() {
    let mut l = CursorList::new();
    l.push_front(1, &[]).unwrap();
    l.rewind::<0>();
    assert!(l.is_last::<0>());
    l.push_back(2, &[]).unwrap();
    l.push_front(0, &[]).unwrap();
    l.push_back(3, &[]).unwrap();
    assert_eq!(values(&l), [0, 1, 2, 3]);
}

#[test]
fn the_first_value_can_be_changed() {
    let mut l = List::<u32>::new();
    assert!(l.first_value_mut().is_none());
    l.push_front(1, &[]).unwrap();
    l.push_front(2, &[]).unwrap();
    *l.first_value_mut().unwrap() += 5;
    assert_eq!(values(&l), [7, 1]);
}

#[test]
fn a_cursor_moves_on_when_its_block_is_removed() {
    let mut l = list(3);
    l.rewind::<0>();
    l.advance::<0>();
    l.find(|i| *i.value == 1).unwrap().remove();
    assert_eq!(*l.current::<0>().unwrap().value, 2);
    l.find(|i| *i.value == 2).unwrap().remove();
    assert!(l.current::<0>().is_none());
    l.push_back(5, &[]).unwrap();
    assert_eq!(*l.current::<0>().unwrap().value, 5, "a cursor at the end stands on what is appended");
}

#[test]
fn a_cursor_knows_whether_there_are_blocks_after_it() {
    let mut list = list(2);
    list.rewind::<0>();
    for is_last in [false, true] {
        assert_eq!(list.is_last::<0>(), is_last);
        list.advance::<0>();
    }
    assert!(!list.is_last::<0>(), "it is at the end");
}

#[test]
fn removing_the_last_block_leaves_the_end_right() {
    let mut l = list(2);
    l.find(|i| *i.value == 1).unwrap().remove();
    l.push_back(7, &[]).unwrap();
    assert_eq!(values(&l), [0, 7]);
    l.clear();
    l.push_back(8, &[]).unwrap();
    assert_eq!(values(&l), [8]);
}

#[test]
fn a_stripped_block_keeps_its_value_and_place() {
    let mut l = list(3);
    l.rewind::<0>();
    l.find(|i| *i.value == 0).unwrap().drop_bytes();
    l.find(|i| *i.value == 2).unwrap().drop_bytes();
    assert_eq!(l.current::<0>().unwrap().bytes.len(), 0);
    assert_eq!(values(&l), [0, 1, 2]);
    l.push_back(3, &[]).unwrap();
    assert_eq!(values(&l), [0, 1, 2, 3]);
    assert!(l.find(|_| false).is_none());
}

#[test]
fn without_memory_nothing_changes() {
    let mut l = list(1);
    testing::fail_after(Some(0));
    assert_eq!(l.push_back(1, &[]), Err(OutOfMemory));
    assert_eq!(l.push_front(1, &[]), Err(OutOfMemory));
    testing::fail_after(None);
    assert_eq!(values(&l), [0]);
}

#[test]
fn a_list_is_empty_until_something_is_added_and_after_all_was_removed() {
    let mut l = list(0);
    assert!(l.is_empty());
    l.push_front(1, &[]).unwrap();
    assert!(!l.is_empty());
    l.find(|_| true).unwrap().remove();
    assert!(l.is_empty());
}

#[test]
fn every_block_of_a_list_is_freed_with_it() {
    let before = testing::blocks();
    let mut l = list(3);
    assert_eq!(testing::blocks() - before, 3);
    l.find(|i| *i.value == 1).unwrap().remove();
    l.find(|i| *i.value == 2).unwrap().drop_bytes();
    assert_eq!(testing::blocks() - before, 2);
    drop(l);
    assert_eq!(testing::blocks() - before, 0);
}

#[test]
fn out_of_memory_has_a_message() {
    assert_eq!(std::format!("{OutOfMemory}"), "out of memory");
}

#[test]
fn a_block_is_replaced_at_its_place_with_the_cursors_that_point_to_it() {
    for at in 0..3 {
        let mut l = list(3);
        l.rewind::<0>();
        (0..at).for_each(|_| l.advance::<0>());
        l.find(|i| *i.value == at).unwrap().replace(9, &[b"new", b"er"]).unwrap();
        let expected: Vec<u32> = (0..3).map(|i| if i == at { 9 } else { i }).collect();
        assert_eq!(values(&l), expected);
        let current = l.current::<0>().unwrap();
        assert_eq!((*current.value, current.bytes), (9, &b"newer"[..]));
        l.push_back(7, &[]).unwrap();
        assert_eq!(l.iter().last().map(|i| *i.value), Some(7), "the end is right");
    }
}

#[test]
fn without_memory_a_block_stays_where_a_new_one_was_to_be() {
    let mut l = list(2);
    testing::fail_after(Some(0));
    assert_eq!(l.find(|i| *i.value == 1).unwrap().replace(9, &[]), Err(OutOfMemory));
    testing::fail_after(None);
    assert_eq!(values(&l), [0, 1]);
}

#[test]
fn a_lazy_value_is_allocated_once_and_dropped_with_its_owner() {
    let before = testing::blocks();
    let mut lazy = Lazy::<List<u32>>::EMPTY;
    assert!(lazy.get().is_none() && lazy.get_mut().is_none());
    testing::fail_after(Some(0));
    assert!(lazy.get_or_alloc(List::new).is_err());
    testing::fail_after(None);
    assert!(lazy.get().is_none());
    lazy.get_or_alloc(List::new).unwrap().push_front(1, &[]).unwrap();
    lazy.get_or_alloc(|| unreachable!()).unwrap().push_front(2, &[]).unwrap();
    assert_eq!(values(lazy.get().unwrap()), [2, 1]);
    assert_eq!(values(lazy.get_mut().unwrap()), [2, 1]);
    drop(lazy);
    assert_eq!(testing::blocks(), before);
}

#[test]
fn a_block_is_filled_in_place() {
    let mut l = list(1);
    let filled = l.push_back_with(7, 3, |bytes| {
        assert_eq!(bytes, [0, 0, 0]);
        bytes[1..].copy_from_slice(b"ab");
        5
    });
    assert_eq!(filled, Ok(5));
    let last = l.iter().last().unwrap();
    assert_eq!((*last.value, last.bytes), (7, &b"\0ab"[..]));
    testing::fail_after(Some(0));
    assert_eq!(l.push_back_with(8, 3, |_| unreachable!()), Err::<(), _>(OutOfMemory));
    testing::fail_after(None);
    assert_eq!(values(&l), [0, 7]);
}

#[test]
fn the_blocks_before_a_cursor_are_those_that_were_there_when_it_was_moved_to_the_end() {
    let before = |l: &CursorList<u32>| l.iter_before::<1>().map(|i| *i.value).collect::<Vec<_>>();
    let mut l = List::new();
    l.move_to_end::<1>();
    assert_eq!(before(&l), []);
    let mut l = list(2);
    l.move_to_end::<1>();
    assert_eq!(before(&l), [0, 1]);
    l.push_back(2, &[]).unwrap();
    l.push_back(3, &[]).unwrap();
    assert_eq!(before(&l), [0, 1]);
    l.find(|i| *i.value == 0).unwrap().replace(7, &[]).unwrap();
    l.find(|i| *i.value == 2).unwrap().remove();
    assert_eq!(before(&l), [7, 1], "the next block has taken its place");
    l.find(|i| *i.value == 3).unwrap().remove();
    assert_eq!(before(&l), [7, 1]);
}
