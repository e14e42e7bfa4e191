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

impl core::fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("out of memory")
    }
}

impl core::error::Error for OutOfMemory {}

/// `malloc`, or an error. Under test, the allocation that was told to fail does.
fn allocate(size: usize) -> Result<NonNull<c_void>, OutOfMemory> {
    #[cfg(test)]
    if testing::fails() {
        return Err(OutOfMemory);
    }
    let block = NonNull::new(malloc(size)).ok_or(OutOfMemory)?;
    #[cfg(test)]
    testing::count(1);
    Ok(block)
}

/// `free`. Under test, what is not freed is known.
///
/// # Safety
/// `block` came from `allocate`, or `realloc` of that, and is not used again.
#[inline]
unsafe fn free_block(block: *mut c_void) {
    #[cfg(test)]
    testing::count(-1);
    // SAFETY: by the contract.
    unsafe { free(block) };
}

/// Puts `value` into a block of its own, to be ended by [`release`].
#[inline]
pub fn alloc<T>(value: T) -> Result<NonNull<T>, OutOfMemory> {
    const { assert!(align_of::<T>() <= align_of::<usize>()) };
    let block = allocate(size_of::<T>())?.cast::<T>();
    // SAFETY: `block` is fresh, large enough, and aligned to a pointer, which is all that T asks for.
    unsafe { block.write(value) };
    Ok(block)
}

/// Drops and frees what [`alloc`] made.
///
/// # Safety
/// `block` came from `alloc` and is not used again.
pub unsafe fn release<T>(block: NonNull<T>) {
    // SAFETY: by the contract the block holds a valid T and is malloc's.
    unsafe {
        block.drop_in_place();
        free_block(block.as_ptr().cast());
    }
}

/// What every block begins with, whatever it holds.
#[repr(C)]
struct BlockHeader {
    next: *mut BlockHeader,
    /// How many bytes stand behind the value.
    len: u32,
}

/// A block: one allocation. Its bytes follow it.
#[repr(C)]
struct Node<T> {
    header: BlockHeader,
    value: T,
}

impl<T> Node<T> {
    const BYTES: usize = size_of::<Self>();

    /// Where the bytes of the block begin, and how many there are.
    ///
    /// # Safety
    /// `node` is a live block with a T in it.
    unsafe fn bytes(node: *mut Node<T>) -> (*mut u8, usize) {
        // SAFETY: by the contract; the bytes are part of the same allocation.
        unsafe { (node.cast::<u8>().add(Self::BYTES), (*node).header.len as usize) }
    }

    /// # Safety
    /// As for `bytes`; the block does not change for 'a.
    unsafe fn item<'a>(node: *mut Node<T>) -> Item<'a, T> {
        // SAFETY: by the contract; the bytes were initialised when the block was made.
        unsafe {
            let (bytes, len) = Self::bytes(node);
            Item { value: &(*node).value, bytes: core::slice::from_raw_parts(bytes, len) }
        }
    }

    /// # Safety
    /// As for `bytes`; nobody else looks at the block for 'a.
    unsafe fn item_mut<'a>(node: *mut Node<T>) -> ItemMut<'a, T> {
        // SAFETY: by the contract; value and bytes do not overlap.
        unsafe {
            let (bytes, len) = Self::bytes(node);
            ItemMut { value: &mut (*node).value, bytes: core::slice::from_raw_parts_mut(bytes, len) }
        }
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

/// What leads to a block: the `next` of the block before it, or the `first` of the chain.
type Link = *mut *mut BlockHeader;

/// The part of a list that does not depend on what its blocks hold, so that there is one copy of it in the firmware.
struct Chain {
    first: *mut BlockHeader,
    /// Null where there is none.
    last: *mut BlockHeader,
    cursors: [*mut BlockHeader; 2],
}

impl Chain {
    /// Makes a block with room for `size` bytes of node, what stands in `parts` behind it, and links it in: at the front, or at the end. The value is the
    /// caller's to write.
    fn insert(&mut self, size: usize, parts: &[&[u8]], at_end: bool) -> Result<NonNull<BlockHeader>, OutOfMemory> {
        let mut len = 0usize;
        for part in parts {
            len = len.checked_add(part.len()).ok_or(OutOfMemory)?;
        }
        let block = allocate(size.checked_add(len).ok_or(OutOfMemory)?)?.cast::<BlockHeader>();
        let node = block.as_ptr();
        // SAFETY: the block is fresh, aligned to a pointer, and has room for all that is written. The last block of a
        // chain that is not empty is alive.
        unsafe {
            let mut to = node.cast::<u8>().add(size);
            for part in parts {
                to.copy_from_nonoverlapping(part.as_ptr(), part.len());
                to = to.add(part.len());
            }
            let mut link: Link = &raw mut self.first;
            if at_end {
                if !self.last.is_null() {
                    link = &raw mut (*self.last).next;
                }
                for cursor in &mut self.cursors {
                    if cursor.is_null() {
                        *cursor = node;
                    }
                }
            }
            let next = *link;
            node.write(BlockHeader { next, len: len as u32 });
            *link = node;
            if next.is_null() {
                self.last = node;
            }
        }
        Ok(block)
    }

    /// Makes whatever led to the block behind `link` lead to `new`; where that was the last, `last` is the last from now on.
    ///
    /// # Safety
    /// `chain` is a chain that nobody else looks at, and `link` leads to one of its blocks.
    unsafe fn relink(chain: *mut Chain, link: Link, new: *mut BlockHeader, last: *mut BlockHeader) {
        // SAFETY: by the contract.
        unsafe {
            let old = *link;
            *link = new;
            if (*chain).last == old {
                (*chain).last = last;
            }
            for cursor in &mut (*chain).cursors {
                if *cursor == old {
                    *cursor = new;
                }
            }
        }
    }

    /// Unlinks and frees the block behind `link`.
    ///
    /// # Safety
    /// As for `relink`.
    unsafe fn remove(chain: *mut Chain, link: Link) {
        // SAFETY: by the contract; nothing leads to the block any more when it is freed. A link that is not the chain's own is the first field
        // of a block, which is the last then.
        unsafe {
            let node = *link;
            let before = if link == &raw mut (*chain).first { ptr::null_mut() } else { link.cast() };
            Self::relink(chain, link, (*node).next, before);
            free_block(node.cast());
        }
    }

    /// Gives back all but the first `size` bytes of the block behind `link`.
    ///
    /// # Safety
    /// As for `relink`; `size` covers the node.
    unsafe fn drop_bytes(chain: *mut Chain, link: Link, size: usize) {
        // SAFETY: by the contract; where `realloc` moves the block, everything that led to it is mended. Should it fail
        // to shrink the block, that stays as it is.
        unsafe {
            (**link).len = 0;
            let moved = realloc((*link).cast(), size).cast::<BlockHeader>();
            if !moved.is_null() {
                Self::relink(chain, link, moved, moved);
            }
        }
    }
}

/// A singly linked list of blocks, with two cursors, numbers 0 and 1.
pub struct List<T: Copy> {
    chain: Chain,
    marker: PhantomData<T>,
}

impl<T: Copy> List<T> {
    /// An empty list.
    pub const fn new() -> Self {
        let null = ptr::null_mut();
        List { chain: Chain { first: null, last: null, cursors: [null; 2] }, marker: PhantomData }
    }

    /// True if nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.chain.first.is_null()
    }

    fn push(&mut self, value: T, parts: &[&[u8]], at_end: bool) -> Result<(), OutOfMemory> {
        const { assert!(align_of::<Node<T>>() <= align_of::<usize>()) };
        let node = self.chain.insert(Node::<T>::BYTES, parts, at_end)?.cast::<Node<T>>();
        // SAFETY: the block has room for the node.
        unsafe { (&raw mut (*node.as_ptr()).value).write(value) };
        Ok(())
    }

    /// Adds a block at the front, with copies of `parts` behind it. Cursors do not see it.
    pub fn push_front(&mut self, value: T, parts: &[&[u8]]) -> Result<(), OutOfMemory> {
        self.push(value, parts, false)
    }

    /// Adds a block at the end, with copies of `parts` behind it. Cursors at the end stand on it afterwards.
    pub fn push_back(&mut self, value: T, parts: &[&[u8]]) -> Result<(), OutOfMemory> {
        self.push(value, parts, true)
    }

    /// All blocks, from the front.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { node: self.chain.first.cast(), list: PhantomData }
    }

    /// The first block that `wanted` picks.
    #[inline]
    pub fn find(&mut self, mut wanted: impl FnMut(Item<'_, T>) -> bool) -> Option<Found<'_, T>> {
        let chain = &raw mut self.chain;
        // SAFETY: all blocks in the chain are alive, and `&mut self` keeps them as they are.
        unsafe {
            let mut link: Link = &raw mut (*chain).first;
            while !(*link).is_null() {
                if wanted(Node::item((*link).cast::<Node<T>>())) {
                    return Some(Found { chain: NonNull::new_unchecked(chain), link, marker: PhantomData });
                }
                link = &raw mut (**link).next;
            }
        }
        None
    }

    /// Removes all blocks.
    pub fn clear(&mut self) {
        let chain = &raw mut self.chain;
        // SAFETY: `&mut self` keeps everyone else away, and the first link leads to a block where it is not null.
        unsafe {
            while !(*chain).first.is_null() {
                Chain::remove(chain, &raw mut (*chain).first);
            }
        }
    }

    /// Hands all values to `change`, each with the bytes behind it, from the front.
    pub fn for_each(&mut self, mut change: impl FnMut(&mut T, &[u8])) {
        let mut node = self.chain.first.cast::<Node<T>>();
        while !node.is_null() {
            // SAFETY: all blocks in the chain are alive, and `&mut self` keeps everyone else away.
            unsafe {
                let ItemMut { value, bytes } = Node::item_mut(node);
                change(value, bytes);
                node = (*node).header.next.cast();
            }
        }
    }

    /// Moves cursor `I` on to the next block that `wanted` picks, the one under it included. False if there is none: it stands at the end.
    #[inline]
    pub fn advance_to<const I: usize>(&mut self, mut wanted: impl FnMut(Item<'_, T>) -> bool) -> bool {
        let mut node = *self.cursor_mut::<I>();
        // SAFETY: a cursor stands on a live block, and `&mut self` keeps all blocks as they are.
        while !node.is_null() && !wanted(unsafe { Node::item(node.cast::<Node<T>>()) }) {
            // SAFETY: as above.
            node = unsafe { (*node).next };
        }
        *self.cursor_mut::<I>() = node;
        !node.is_null()
    }

    /// Sets cursor `I` on the first block.
    pub fn rewind<const I: usize>(&mut self) {
        let first = self.chain.first;
        *self.cursor_mut::<I>() = first;
    }

    /// Moves cursor `I` on; at the end it stays.
    pub fn advance<const I: usize>(&mut self) {
        let cursor = self.cursor_mut::<I>();
        if !cursor.is_null() {
            // SAFETY: a cursor stands on a live block.
            *cursor = unsafe { (**cursor).next };
        }
    }

    /// Which block is under cursor `I`, as a number that no other block has while this one is there; 0 at the end.
    pub fn cursor_id<const I: usize>(&self) -> usize {
        const { assert!(I < 2) };
        self.chain.cursors[I].addr()
    }

    /// The block under cursor `I`; `None` at the end.
    pub fn current<const I: usize>(&self) -> Option<Item<'_, T>> {
        const { assert!(I < 2) };
        let node = self.chain.cursors[I].cast::<Node<T>>();
        // SAFETY: a cursor stands on a live block, and `&self` keeps it as it is.
        if node.is_null() { None } else { Some(unsafe { Node::item(node) }) }
    }

    /// The value under cursor `I`, to be changed, without touching the bytes behind it; `None` at the end.
    pub fn current_value_mut<const I: usize>(&mut self) -> Option<&mut T> {
        let node = self.cursor_mut::<I>().cast::<Node<T>>();
        // SAFETY: a cursor stands on a live block, and `&mut self` keeps everyone else away.
        if node.is_null() { None } else { Some(unsafe { &mut (*node).value }) }
    }

    fn cursor_mut<const I: usize>(&mut self) -> &mut *mut BlockHeader {
        const { assert!(I < 2) };
        // In bounds by the assertion, so there is no check left in the code.
        &mut self.chain.cursors[I]
    }
}

impl<T: Copy> Default for List<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Copy> Drop for List<T> {
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
        let node = self.node;
        if node.is_null() {
            return None;
        }
        // SAFETY: the list is borrowed for 'a, so its blocks live and do not change.
        unsafe {
            self.node = (*node).header.next.cast();
            Some(Node::item(node))
        }
    }
}

/// A block that was found in a list, to be looked at, changed or removed.
pub struct Found<'a, T: Copy> {
    chain: NonNull<Chain>,
    link: Link,
    marker: PhantomData<&'a mut List<T>>,
}

impl<'a, T: Copy> Found<'a, T> {
    fn node(&self) -> *mut Node<T> {
        // SAFETY: `find` has found a block behind the link, and the list is borrowed since.
        unsafe { (*self.link).cast() }
    }

    /// The value.
    pub fn value(&mut self) -> &mut T {
        // SAFETY: the block is alive, and the list is borrowed, so nobody else looks at it.
        unsafe { &mut (*self.node()).value }
    }

    /// Hands value and bytes to `look`.
    pub fn with<R>(&self, look: impl FnOnce(&T, &[u8]) -> R) -> R {
        // SAFETY: the block is alive, and the list is borrowed, so nobody changes it meanwhile.
        let Item { value, bytes } = unsafe { Node::item(self.node()) };
        look(value, bytes)
    }

    /// The block, to be read for as long as the list is borrowed.
    pub fn item(self) -> Item<'a, T> {
        // SAFETY: the block is alive, and the list is borrowed for 'a, so nobody changes it.
        unsafe { Node::item(self.node()) }
    }

    /// Removes it from the list.
    pub fn remove(self) {
        // SAFETY: `find` has found the block in this chain, which is borrowed since.
        unsafe { Chain::remove(self.chain.as_ptr(), self.link) };
    }

    /// Gives back the bytes behind it; the value stays.
    pub fn drop_bytes(self) {
        // SAFETY: as above.
        unsafe { Chain::drop_bytes(self.chain.as_ptr(), self.link, Node::<T>::BYTES) };
    }
}

#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
