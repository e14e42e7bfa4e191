//! Memory from the firmware's `malloc`: the one place that allocates, and the one below `ffi` that may be unsafe.
//!
//! What the core keeps lives in lists of blocks. A block is one allocation: a value and, behind it, the bytes that belong to it (a
//! topic, a message). Every function that allocates can fail, and then changes nothing.
//!
//! A list has cursors. A cursor stands on a block or at the end; removing the block under it moves it on to the next. So a walk
//! that calls the app between two steps stays right whatever the app adds or removes meanwhile.

use core::ffi::c_void;
use core::marker::PhantomData;
use core::mem::{align_of, size_of};
use core::ptr::{self, NonNull};

unsafe extern "C" {
    safe fn malloc(size: usize) -> *mut c_void;
    fn realloc(block: *mut c_void, size: usize) -> *mut c_void;
    fn free(block: *mut c_void);
}

/// There was no memory; nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfMemory;

/// `malloc`, or an error. Under test, the allocation that was told to fail does.
fn allocate(size: usize) -> Result<NonNull<c_void>, OutOfMemory> {
    #[cfg(test)]
    if testing::fails() {
        return Err(OutOfMemory);
    }
    NonNull::new(malloc(size)).ok_or(OutOfMemory)
}

/// Puts `value` into a block of its own, to be ended by [`release`].
pub fn place<T>(value: T) -> Result<NonNull<T>, OutOfMemory> {
    const { assert!(align_of::<T>() <= align_of::<usize>()) };
    let block = allocate(size_of::<T>())?.cast::<T>();
    // SAFETY: `block` is fresh, large enough, and aligned to a pointer, which is all that T asks for.
    unsafe { block.write(value) };
    Ok(block)
}

/// Drops and frees what [`place`] made.
///
/// # Safety
/// `block` came from `place` and is not used again.
pub unsafe fn release<T>(block: NonNull<T>) {
    // SAFETY: by the contract the block holds a valid T and is malloc's.
    unsafe {
        block.drop_in_place();
        free(block.as_ptr().cast());
    }
}

#[repr(C)]
struct Node<T> {
    next: *mut Node<T>,
    len: u32,
    value: T,
}

impl<T> Node<T> {
    const BYTES: usize = size_of::<Self>();

    /// # Safety
    /// `node` is a live node, not changed while the bytes are in use.
    unsafe fn bytes<'a>(node: *mut Node<T>) -> &'a [u8] {
        // SAFETY: a node is allocated with `len` initialised bytes behind it.
        unsafe { core::slice::from_raw_parts(node.cast::<u8>().add(Self::BYTES), (*node).len as usize) }
    }
}

/// A block in a list, to be read.
pub struct Item<'a, T> {
    /// The value.
    pub value: &'a T,
    /// The bytes behind it.
    pub bytes: &'a [u8],
}

/// A block in a list, to be changed.
pub struct ItemMut<'a, T> {
    /// The value.
    pub value: &'a mut T,
    /// The bytes behind it.
    pub bytes: &'a mut [u8],
}

/// A singly linked list of blocks, with `C` cursors.
pub struct List<T: Copy, const C: usize> {
    head: *mut Node<T>,
    tail: *mut Node<T>,
    cursors: [*mut Node<T>; C],
}

impl<T: Copy, const C: usize> List<T, C> {
    /// An empty list.
    pub const fn new() -> Self {
        List { head: ptr::null_mut(), tail: ptr::null_mut(), cursors: [ptr::null_mut(); C] }
    }

    /// True if nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.head.is_null()
    }

    fn make(value: T, len: usize, fill: impl FnOnce(&mut [u8])) -> Result<*mut Node<T>, OutOfMemory> {
        const { assert!(align_of::<Node<T>>() <= align_of::<usize>()) };
        let len32 = u32::try_from(len).map_err(|_| OutOfMemory)?;
        let size = Node::<T>::BYTES.checked_add(len).ok_or(OutOfMemory)?;
        let node = allocate(size)?.cast::<Node<T>>().as_ptr();
        // SAFETY: `node` is fresh, aligned to a pointer, and has room for the node and `len` bytes, which are
        // initialised before a slice is made of them.
        unsafe {
            node.write(Node { next: ptr::null_mut(), len: len32, value });
            let bytes = node.cast::<u8>().add(Node::<T>::BYTES);
            bytes.write_bytes(0, len);
            fill(core::slice::from_raw_parts_mut(bytes, len));
        }
        Ok(node)
    }

    /// Adds a block at the front, `len` bytes behind it as `fill` writes them. Cursors do not see it.
    pub fn push_front(&mut self, value: T, len: usize, fill: impl FnOnce(&mut [u8])) -> Result<(), OutOfMemory> {
        let node = Self::make(value, len, fill)?;
        // SAFETY: `node` is fresh and ours.
        unsafe { (*node).next = self.head };
        if self.tail.is_null() {
            self.tail = node;
        }
        self.head = node;
        Ok(())
    }

    /// Adds a block at the end, `len` bytes behind it as `fill` writes them. Cursors at the end stand on it afterwards.
    pub fn push_back(&mut self, value: T, len: usize, fill: impl FnOnce(&mut [u8])) -> Result<(), OutOfMemory> {
        let node = Self::make(value, len, fill)?;
        if self.head.is_null() {
            self.head = node;
        } else {
            // SAFETY: a list that is not empty has a live tail.
            unsafe { (*self.tail).next = node };
        }
        self.tail = node;
        for cursor in &mut self.cursors {
            if cursor.is_null() {
                *cursor = node;
            }
        }
        Ok(())
    }

    /// All blocks, from the front.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { node: self.head, list: PhantomData }
    }

    /// All blocks, from the front, to be changed.
    pub fn iter_mut(&mut self) -> IterMut<'_, T> {
        IterMut { node: self.head, list: PhantomData }
    }

    /// The block in front.
    pub fn first_mut(&mut self) -> Option<ItemMut<'_, T>> {
        self.iter_mut().next()
    }

    /// Removes the first block that `wanted` picks, and returns its value.
    pub fn remove(&mut self, mut wanted: impl FnMut(Item<'_, T>) -> bool) -> Option<T> {
        let (link, node) = self.find(&mut wanted)?;
        // SAFETY: `find` returns a live node and the link that leads to it; the node is out of reach of list and cursors
        // before it is freed.
        unsafe {
            let next = (*node).next;
            self.relink(link, node, next);
            if self.tail == node {
                self.tail = link;
            }
            let value = (*node).value;
            free(node.cast());
            Some(value)
        }
    }

    /// Gives back the bytes behind the first block that `wanted` picks; the value stays. False if there is none.
    pub fn strip(&mut self, mut wanted: impl FnMut(Item<'_, T>) -> bool) -> bool {
        let Some((link, node)) = self.find(&mut wanted) else { return false };
        // SAFETY: the node is live; where it is moved by `realloc`, every pointer to it is mended.
        unsafe {
            (*node).len = 0;
            let moved = realloc(node.cast(), Node::<T>::BYTES).cast::<Node<T>>();
            // Should `realloc` fail to shrink, the old block is still good.
            if !moved.is_null() {
                self.relink(link, node, moved);
                if self.tail == node {
                    self.tail = moved;
                }
            }
        }
        true
    }

    /// Removes all blocks.
    pub fn clear(&mut self) {
        while self.remove(|_| true).is_some() {}
    }

    /// The block before (null for none) and the first block that `wanted` picks.
    fn find(&self, wanted: &mut impl FnMut(Item<'_, T>) -> bool) -> Option<(*mut Node<T>, *mut Node<T>)> {
        let (mut link, mut node) = (ptr::null_mut::<Node<T>>(), self.head);
        while !node.is_null() {
            // SAFETY: all nodes in the chain are live.
            unsafe {
                if wanted(Item { value: &(*node).value, bytes: Node::bytes(node) }) {
                    return Some((link, node));
                }
                link = node;
                node = (*node).next;
            }
        }
        None
    }

    /// Makes whatever led to `old` lead to `new`.
    ///
    /// # Safety
    /// `link` is null, or the live node before `old`.
    unsafe fn relink(&mut self, link: *mut Node<T>, old: *mut Node<T>, new: *mut Node<T>) {
        if link.is_null() {
            self.head = new;
        } else {
            // SAFETY: by the contract.
            unsafe { (*link).next = new };
        }
        for cursor in &mut self.cursors {
            if *cursor == old {
                *cursor = new;
            }
        }
    }

    /// Sets cursor `I` on the first block.
    pub fn rewind<const I: usize>(&mut self) {
        let head = self.head;
        *self.cursor_slot::<I>() = head;
    }

    /// Sets cursor `I` at the end.
    pub fn finish<const I: usize>(&mut self) {
        *self.cursor_slot::<I>() = ptr::null_mut();
    }

    /// Moves cursor `I` on; at the end it stays.
    pub fn advance<const I: usize>(&mut self) {
        let cursor = self.cursor_slot::<I>();
        if !cursor.is_null() {
            // SAFETY: a cursor stands on a live node.
            *cursor = unsafe { (**cursor).next };
        }
    }

    /// The block under cursor `I`; `None` at the end.
    pub fn current<const I: usize>(&self) -> Option<Item<'_, T>> {
        const { assert!(I < C) };
        let node = self.cursors.get(I).copied().filter(|node| !node.is_null())?;
        // SAFETY: a cursor stands on a live node, and `&self` keeps it so.
        unsafe { Some(Item { value: &(*node).value, bytes: Node::bytes(node) }) }
    }

    /// The block under cursor `I`, to be changed; `None` at the end.
    pub fn current_mut<const I: usize>(&mut self) -> Option<ItemMut<'_, T>> {
        let node = *self.cursor_slot::<I>();
        IterMut { node, list: PhantomData }.next()
    }

    /// The value under cursor `I`, to be changed, without touching the bytes behind it; `None` at the end.
    pub fn current_value_mut<const I: usize>(&mut self) -> Option<&mut T> {
        let node = *self.cursor_slot::<I>();
        if node.is_null() {
            return None;
        }
        // SAFETY: a cursor stands on a live node, and `&mut self` makes this the only reference to the value.
        unsafe { Some(&mut (*node).value) }
    }

    fn cursor_slot<const I: usize>(&mut self) -> &mut *mut Node<T> {
        const { assert!(I < C) };
        // The index is below C by the assertion, so the compiler drops the bound check.
        &mut self.cursors[I]
    }
}

impl<T: Copy, const C: usize> Default for List<T, C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Copy, const C: usize> Drop for List<T, C> {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The blocks of a list, from the front.
pub struct Iter<'a, T> {
    node: *mut Node<T>,
    list: PhantomData<&'a T>,
}

impl<'a, T> Iterator for Iter<'a, T> {
    type Item = Item<'a, T>;

    fn next(&mut self) -> Option<Item<'a, T>> {
        if self.node.is_null() {
            return None;
        }
        let node = self.node;
        // SAFETY: the list is borrowed for 'a, so its nodes live and do not change.
        unsafe {
            self.node = (*node).next;
            Some(Item { value: &(*node).value, bytes: Node::bytes(node) })
        }
    }
}

/// The blocks of a list, from the front, to be changed.
pub struct IterMut<'a, T> {
    node: *mut Node<T>,
    list: PhantomData<&'a mut T>,
}

impl<'a, T> Iterator for IterMut<'a, T> {
    type Item = ItemMut<'a, T>;

    fn next(&mut self) -> Option<ItemMut<'a, T>> {
        if self.node.is_null() {
            return None;
        }
        let node = self.node;
        // SAFETY: the list is borrowed mutably for 'a, each node is handed out once, and value and bytes do not overlap.
        unsafe {
            self.node = (*node).next;
            let len = (*node).len as usize;
            let bytes = core::slice::from_raw_parts_mut(node.cast::<u8>().add(Node::<T>::BYTES), len);
            Some(ItemMut { value: &mut (*node).value, bytes })
        }
    }
}

#[cfg(test)]
pub mod testing {
    //! Tells the n-th allocation from now to fail, for tests.
    extern crate std;
    use std::cell::Cell;

    std::thread_local! {
        static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
    }

    /// The allocation after the next `n` fails, and so do all that follow; `None` ends it.
    pub fn fail_after(n: Option<usize>) {
        LEFT.set(n);
    }

    pub(super) fn fails() -> bool {
        match LEFT.get() {
            None => false,
            Some(0) => true,
            Some(n) => {
                LEFT.set(Some(n - 1));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::{List, OutOfMemory, testing};
    use std::vec::Vec;

    fn list(n: u32) -> List<u32, 1> {
        let mut list = List::new();
        for i in 0..n {
            list.push_back(i, 4, |b| b.copy_from_slice(&i.to_be_bytes())).unwrap();
        }
        list
    }

    fn values(list: &List<u32, 1>) -> Vec<u32> {
        list.iter().map(|i| *i.value).collect()
    }

    #[test]
    fn blocks_keep_their_order_and_bytes() {
        let mut l = list(3);
        l.push_front(9, 1, |b| b[0] = 7).unwrap();
        assert_eq!(values(&l), [9, 0, 1, 2]);
        assert_eq!(l.iter().map(|i| i.bytes.len()).collect::<Vec<_>>(), [1, 4, 4, 4]);
        assert_eq!(l.iter().last().unwrap().bytes, [0, 0, 0, 2]);
    }

    #[test]
    fn a_cursor_moves_on_when_its_block_is_removed() {
        let mut l = list(3);
        l.rewind::<0>();
        l.advance::<0>();
        assert_eq!(l.remove(|i| *i.value == 1), Some(1));
        assert_eq!(*l.current::<0>().unwrap().value, 2);
        l.remove(|i| *i.value == 2);
        assert!(l.current::<0>().is_none());
        l.push_back(5, 0, |_| ()).unwrap();
        assert_eq!(*l.current::<0>().unwrap().value, 5, "a cursor at the end stands on what is appended");
    }

    #[test]
    fn removing_the_last_block_leaves_the_end_right() {
        let mut l = list(2);
        l.remove(|i| *i.value == 1);
        l.push_back(7, 0, |_| ()).unwrap();
        assert_eq!(values(&l), [0, 7]);
        l.clear();
        l.push_back(8, 0, |_| ()).unwrap();
        assert_eq!(values(&l), [8]);
    }

    #[test]
    fn a_stripped_block_keeps_its_value_and_place() {
        let mut l = list(3);
        l.rewind::<0>();
        assert!(l.strip(|i| *i.value == 0));
        assert!(l.strip(|i| *i.value == 2));
        assert_eq!(l.current::<0>().unwrap().bytes.len(), 0);
        assert_eq!(values(&l), [0, 1, 2]);
        l.push_back(3, 0, |_| ()).unwrap();
        assert_eq!(values(&l), [0, 1, 2, 3]);
        assert!(!l.strip(|_| false));
    }

    #[test]
    fn without_memory_nothing_changes() {
        let mut l = list(1);
        testing::fail_after(Some(0));
        assert_eq!(l.push_back(1, 0, |_| ()), Err(OutOfMemory));
        assert_eq!(l.push_front(1, 0, |_| ()), Err(OutOfMemory));
        testing::fail_after(None);
        assert_eq!(values(&l), [0]);
    }
}
