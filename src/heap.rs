//! Lists of heap blocks on the firmware's `malloc`. The only module that allocates, and the only
//! one outside `ffi` with unsafe code.
//!
//! A block is one allocation: a value followed by its bytes (a topic, a message). Every function
//! that allocates can fail, and then changes nothing.
//!
//! A list may have cursors. A cursor points to a block or to the end; removing its block moves it to
//! the next one. So an iteration that calls the app between two steps stays valid whatever the app
//! adds or removes in between.

use core::ffi::c_void;
use core::marker::PhantomData;
use core::mem::{ManuallyDrop, align_of, size_of};
use core::ptr::{self, NonNull};

unsafe extern "C" {
    safe fn malloc(size: usize) -> *mut c_void;
    fn realloc(block: *mut c_void, size: usize) -> *mut c_void;
    fn free(block: *mut c_void);
}

/// Allocation failed; nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfMemory;

impl core::fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("out of memory")
    }
}

impl core::error::Error for OutOfMemory {}

/// Calls `malloc`. In tests, fails where the test asked for it.
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

/// Calls `free`. Tests count blocks to find leaks.
///
/// # Safety
/// `block` must come from `allocate`, or from `realloc` of such a block, and must not be used
/// again.
#[inline]
unsafe fn free_block(block: *mut c_void) {
    #[cfg(test)]
    testing::count(-1);
    // SAFETY: `block` was allocated by malloc and is freed once, as the caller guarantees.
    unsafe { free(block) };
}

/// Moves `value`, which owns nothing yet, into a new block, to be freed with [`release`].
#[inline]
pub fn alloc<T>(value: T) -> Result<NonNull<T>, OutOfMemory> {
    const { assert!(align_of::<T>() <= align_of::<usize>()) };
    // Without memory it is forgotten: firmware need not contain what would drop it.
    let value = ManuallyDrop::new(value);
    let block = allocate(size_of::<T>())?.cast::<T>();
    // SAFETY: `block` is fresh, large enough, and aligned to a pointer, which suffices for T.
    unsafe { block.write(ManuallyDrop::into_inner(value)) };
    Ok(block)
}

/// Drops and frees a value allocated with [`alloc`].
///
/// # Safety
/// `block` must come from `alloc` and must not be used again.
pub unsafe fn release<T>(block: NonNull<T>) {
    // SAFETY: `alloc` made the block with malloc and wrote a T into it; the caller does not use it
    // again.
    unsafe {
        block.drop_in_place();
        free_block(block.as_ptr().cast());
    }
}

/// Frees what [`alloc`] made, without dropping it.
///
/// # Safety
/// `block` came from `alloc` and is not used again.
pub unsafe fn release_empty<T>(block: NonNull<T>) {
    // SAFETY: by the contract the block is malloc's.
    unsafe { free_block(block.as_ptr().cast()) };
}

/// A value that is allocated when it is first needed. Empty, it is one null pointer.
pub struct Lazy<T> {
    value: Option<NonNull<T>>,
    marker: PhantomData<T>,
}

impl<T> Lazy<T> {
    /// Nothing yet.
    pub const EMPTY: Self = Lazy { value: None, marker: PhantomData };

    /// Returns the value if there is one.
    pub fn get(&self) -> Option<&T> {
        // SAFETY: `get_or_alloc` made the value, which lives as long as this; `&self` keeps it
        // unchanged.
        self.value.map(|value| unsafe { value.as_ref() })
    }

    /// Returns the value if there is one.
    #[inline(never)]
    pub fn get_mut(&mut self) -> Option<&mut T> {
        // SAFETY: as above; `&mut self` is exclusive.
        self.value.map(|mut value| unsafe { value.as_mut() })
    }

    /// Returns the value; if there is none, `new` is allocated.
    pub fn get_or_alloc(&mut self, new: impl FnOnce() -> T) -> Result<&mut T, OutOfMemory> {
        let mut value = match self.value {
            Some(value) => value,
            None => *self.value.insert(alloc(new())?),
        };
        // SAFETY: as in `get_mut`.
        Ok(unsafe { value.as_mut() })
    }
}

impl<T> Drop for Lazy<T> {
    fn drop(&mut self) {
        if let Some(value) = self.value {
            // SAFETY: it came from `alloc`, and nothing uses it after this.
            unsafe { release(value) };
        }
    }
}

/// The header of every block, whatever its value.
#[repr(C)]
struct BlockHeader {
    next: *mut BlockHeader,
    /// Number of bytes after the value.
    len: u32,
}

/// A block: one allocation, with its bytes after the value.
#[repr(C)]
struct Node<T> {
    header: BlockHeader,
    value: T,
}

impl<T> Node<T> {
    const BYTES: usize = size_of::<Self>();

    /// Writes the value of a fresh block.
    ///
    /// # Safety
    /// `block` has [`Self::BYTES`] bytes, and nothing else accesses it.
    unsafe fn set_value(block: NonNull<BlockHeader>, value: T) {
        const { assert!(align_of::<Self>() <= align_of::<usize>()) };
        // SAFETY: the block has space for the node, and is aligned to a pointer, which suffices.
        unsafe { (&raw mut (*block.cast::<Self>().as_ptr()).value).write(value) };
    }

    /// Returns the address and number of the block's bytes.
    ///
    /// # Safety
    /// `node` must point to a live block with a T in it.
    unsafe fn bytes(node: *mut Node<T>) -> (*mut u8, usize) {
        // SAFETY: the block is live, and its bytes follow the node in the same allocation.
        unsafe { (node.cast::<u8>().add(Self::BYTES), (*node).header.len as usize) }
    }

    /// # Safety
    /// As for `bytes`; in addition, the block must not change during 'a.
    unsafe fn item<'a>(node: *mut Node<T>) -> Item<'a, T> {
        // SAFETY: the block is live and unchanged for 'a; whoever made it initialised its bytes.
        unsafe {
            let (bytes, len) = Self::bytes(node);
            Item { value: &(*node).value, bytes: core::slice::from_raw_parts(bytes, len) }
        }
    }

    /// # Safety
    /// As for `bytes`; in addition, nothing else may access the block during 'a.
    unsafe fn item_mut<'a>(node: *mut Node<T>) -> ItemMut<'a, T> {
        // SAFETY: the block is live and not accessed elsewhere for 'a; value and bytes do not
        // overlap.
        unsafe {
            let (bytes, len) = Self::bytes(node);
            ItemMut { value: &mut (*node).value, bytes: core::slice::from_raw_parts_mut(bytes, len) }
        }
    }
}

/// Shared access to a block in a list.
pub struct Item<'a, T> {
    /// The value.
    pub value: &'a T,
    /// The bytes after the value.
    pub bytes: &'a [u8],
}

/// Exclusive access to a block in a list.
pub struct ItemMut<'a, T> {
    /// The value.
    pub value: &'a mut T,
    /// The bytes after the value.
    pub bytes: &'a mut [u8],
}

/// The pointer to a block: `next` of the block before it, or `first` of the chain.
type Link = *mut *mut BlockHeader;

/// What a list knows of its blocks besides the first.
pub trait Tracking {
    /// That of an empty list.
    const NEW: Self;

    /// A block was linked in at the front. `is_only`: there is no other.
    fn pushed(&mut self, block: Block, is_only: bool);

    /// `old` makes way for `new`, or, at the end, for null. If `old` was the last block,
    /// `new_last` is.
    fn replaced(&mut self, old: Block, new: Block, new_last: Block);
}

/// Nothing: the list only grows at its front, and has no cursors.
impl Tracking for () {
    const NEW: Self = ();

    fn pushed(&mut self, _: Block, _: bool) {}

    fn replaced(&mut self, _: Block, _: Block, _: Block) {}
}

/// The last block, so that the list grows at its end as well, and two cursors.
pub struct Cursors {
    /// Null if the list is empty.
    last: *mut BlockHeader,
    cursors: [*mut BlockHeader; 2],
}

impl Tracking for Cursors {
    const NEW: Self = Cursors { last: ptr::null_mut(), cursors: [ptr::null_mut(); 2] };

    fn pushed(&mut self, block: Block, is_only: bool) {
        if is_only {
            self.last = block.0;
        }
    }

    fn replaced(&mut self, old: Block, new: Block, new_last: Block) {
        if self.last == old.0 {
            self.last = new_last.0;
        }
        for cursor in &mut self.cursors {
            if *cursor == old.0 {
                *cursor = new.0;
            }
        }
    }
}

/// The address of a block, to be compared.
#[derive(Clone, Copy)]
pub struct Block(*mut BlockHeader);

/// The part of a list that is independent of the value type, so that firmware has one copy of it.
/// What is used most comes first; `repr(C)` keeps that order.
#[repr(C)]
struct Chain<K> {
    first: *mut BlockHeader,
    tracked: K,
}

/// Allocates a block of `size` bytes for the node plus `len`. Its `next` is null. The caller must
/// initialise the bytes, link the block in and write the value.
#[inline(always)]
fn allocate_block(size: usize, len: usize) -> Result<NonNull<BlockHeader>, OutOfMemory> {
    let block = allocate(size.checked_add(len).ok_or(OutOfMemory)?)?.cast::<BlockHeader>();
    // SAFETY: the block is fresh, aligned to a pointer, and large enough for a header.
    unsafe { block.write(BlockHeader { next: ptr::null_mut(), len: len as u32 }) };
    Ok(block)
}

/// Allocates a block of `size` bytes for the node plus copies of `parts`. Its `next` is null. The
/// caller must link it in and write the value.
fn new_block(size: usize, parts: &[&[u8]]) -> Result<NonNull<BlockHeader>, OutOfMemory> {
    let mut len = 0usize;
    for part in parts {
        len = len.checked_add(part.len()).ok_or(OutOfMemory)?;
    }
    let block = allocate_block(size, len)?;
    // SAFETY: behind the node the block has room for all parts.
    unsafe {
        let mut to = block.as_ptr().cast::<u8>().add(size);
        for part in parts {
            to.copy_from_nonoverlapping(part.as_ptr(), part.len());
            to = to.add(part.len());
        }
    }
    Ok(block)
}

impl<K: Tracking> Chain<K> {
    /// Allocates a block, as [`new_block`], and links it in at the front. The caller must write the
    /// value.
    fn push_front(&mut self, size: usize, parts: &[&[u8]]) -> Result<NonNull<BlockHeader>, OutOfMemory> {
        let block = new_block(size, parts)?;
        // SAFETY: the block is fresh.
        unsafe { (*block.as_ptr()).next = self.first };
        self.tracked.pushed(Block(block.as_ptr()), self.first.is_null());
        self.first = block.as_ptr();
        Ok(block)
    }

    /// Makes every pointer to the block behind `link` point to `new`; if that block was the last,
    /// `last` is.
    ///
    /// # Safety
    /// Nothing else may access `chain`, and `link` must point to one of its blocks.
    unsafe fn relink(chain: *mut Self, link: Link, new: *mut BlockHeader, last: *mut BlockHeader) {
        // SAFETY: `link` points to a block of this chain, and nothing else accesses the chain.
        unsafe {
            let old = *link;
            *link = new;
            (*chain).tracked.replaced(Block(old), Block(new), Block(last));
        }
    }

    /// Unlinks and frees the block behind `link`.
    ///
    /// # Safety
    /// As for `relink`.
    unsafe fn remove(chain: *mut Self, link: Link) {
        // SAFETY: `link` points to a block of this chain; `relink` leaves no pointer to it before
        // it is freed. A link other than the chain's `first` is the first field of a block, which
        // becomes the last.
        unsafe {
            let node = *link;
            let before = if link == &raw mut (*chain).first { ptr::null_mut() } else { link.cast() };
            Self::relink(chain, link, (*node).next, before);
            free_block(node.cast());
        }
    }

    /// Frees all but the first `size` bytes of the block behind `link`.
    ///
    /// # Safety
    /// As for `relink`; in addition, `size` must cover the node.
    unsafe fn drop_bytes(chain: *mut Self, link: Link, size: usize) {
        // SAFETY: `link` points to a block of this chain of at least `size` bytes. If `realloc`
        // moves it, `relink` updates every pointer to it; if `realloc` fails to shrink it, the
        // block stays valid.
        unsafe {
            (**link).len = 0;
            let moved = realloc((*link).cast(), size).cast::<BlockHeader>();
            if !moved.is_null() {
                Self::relink(chain, link, moved, moved);
            }
        }
    }
}

impl Chain<Cursors> {
    /// Links a fresh block in at the end.
    fn append(&mut self, block: NonNull<BlockHeader>) {
        let node = block.as_ptr();
        let Cursors { last, cursors } = &mut self.tracked;
        for cursor in cursors {
            if cursor.is_null() {
                *cursor = node;
            }
        }
        if last.is_null() {
            self.first = node;
        } else {
            // SAFETY: the last block of a chain that is not empty is live.
            unsafe { (**last).next = node };
        }
        *last = node;
    }
}

/// A singly linked list of blocks. It grows at its front only, unless it is a [`CursorList`].
pub struct List<T: Copy, K: Tracking = ()> {
    chain: Chain<K>,
    marker: PhantomData<T>,
}

/// A list that grows at both ends and has two cursors, 0 and 1.
pub type CursorList<T> = List<T, Cursors>;

impl<T: Copy, K: Tracking> List<T, K> {
    /// Creates an empty list.
    pub const fn new() -> Self {
        List { chain: Chain { first: ptr::null_mut(), tracked: K::NEW }, marker: PhantomData }
    }

    /// Returns true if the list is empty.
    pub fn is_empty(&self) -> bool {
        self.chain.first.is_null()
    }

    /// Adds a block with copies of `parts` at the front. Cursors do not move.
    pub fn push_front(&mut self, value: T, parts: &[&[u8]]) -> Result<(), OutOfMemory> {
        let node = self.chain.push_front(Node::<T>::BYTES, parts)?;
        // SAFETY: it is a block with space for the node.
        unsafe { Node::set_value(node, value) };
        Ok(())
    }

    /// Iterates over all blocks from the front.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { node: self.chain.first.cast(), end: ptr::null_mut(), list: PhantomData }
    }

    /// Returns the value of the first block.
    pub fn first_value_mut(&mut self) -> Option<&mut T> {
        let node = self.chain.first.cast::<Node<T>>();
        // SAFETY: it is null, or points to a live block, and `&mut self` is exclusive.
        if node.is_null() { None } else { Some(unsafe { &mut (*node).value }) }
    }

    /// Returns the first block that satisfies `wanted`.
    #[inline]
    pub fn find(&mut self, mut wanted: impl FnMut(Item<'_, T>) -> bool) -> Option<Found<'_, T, K>> {
        let chain = &raw mut self.chain;
        // SAFETY: all blocks in the chain are live, and `&mut self` keeps them unchanged.
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
    #[inline(never)]
    pub fn clear(&mut self) {
        let chain = &raw mut self.chain;
        // SAFETY: `&mut self` is exclusive, and `first` points to a block unless it is null.
        unsafe {
            while !(*chain).first.is_null() {
                Chain::remove(chain, &raw mut (*chain).first);
            }
        }
    }

    /// Calls `change` with each value and its bytes, from the front.
    pub fn for_each(&mut self, mut change: impl FnMut(&mut T, &[u8])) {
        let mut node = self.chain.first.cast::<Node<T>>();
        while !node.is_null() {
            // SAFETY: all blocks in the chain are live, and `&mut self` is exclusive.
            unsafe {
                let ItemMut { value, bytes } = Node::item_mut(node);
                change(value, bytes);
                node = (*node).header.next.cast();
            }
        }
    }
}

impl<T: Copy> CursorList<T> {
    /// Adds a block with copies of `parts` at the end. A cursor at the end now points to it.
    pub fn push_back(&mut self, value: T, parts: &[&[u8]]) -> Result<(), OutOfMemory> {
        let node = new_block(Node::<T>::BYTES, parts)?;
        // SAFETY: it is a block with space for the node.
        unsafe { Node::set_value(node, value) };
        self.chain.append(node);
        Ok(())
    }

    /// Adds a block with `len` bytes at the end, and has `fill` write them; they are zero before. A
    /// cursor at the end now points to it.
    pub fn push_back_with<R>(&mut self, value: T, len: usize, fill: impl FnOnce(&mut [u8]) -> R) -> Result<R, OutOfMemory> {
        let block = allocate_block(Node::<T>::BYTES, len)?;
        let node = block.cast::<Node<T>>().as_ptr();
        // SAFETY: the block is fresh, and has room for the node and `len` bytes behind it.
        let filled = unsafe {
            Node::set_value(block, value);
            node.cast::<u8>().add(Node::<T>::BYTES).write_bytes(0, len);
            fill(Node::item_mut(node).bytes)
        };
        self.chain.append(block);
        Ok(filled)
    }

    /// Moves cursor `I` to the end: before the next block that is appended.
    pub fn move_to_end<const I: usize>(&mut self) {
        *self.cursor_mut::<I>() = ptr::null_mut();
    }

    /// Iterates over the blocks before cursor `I`, from the front.
    pub fn iter_before<const I: usize>(&self) -> Iter<'_, T> {
        Iter { end: self.cursor::<I>().cast(), ..self.iter() }
    }

    /// Advances cursor `I` to the next block that satisfies `wanted`, which may be its current one.
    /// Returns false if there is none; the cursor is then at the end.
    #[inline]
    pub fn advance_to<const I: usize>(&mut self, mut wanted: impl FnMut(Item<'_, T>) -> bool) -> bool {
        let mut node = self.cursor::<I>();
        // SAFETY: a cursor points to a live block, and `&mut self` keeps all blocks unchanged.
        while !node.is_null() && !wanted(unsafe { Node::item(node.cast::<Node<T>>()) }) {
            // SAFETY: as above.
            node = unsafe { (*node).next };
        }
        *self.cursor_mut::<I>() = node;
        !node.is_null()
    }

    /// Moves cursor `I` to the first block.
    pub fn rewind<const I: usize>(&mut self) {
        let first = self.chain.first;
        *self.cursor_mut::<I>() = first;
    }

    /// Advances cursor `I` by one block; at the end it stays there.
    pub fn advance<const I: usize>(&mut self) {
        let cursor = self.cursor_mut::<I>();
        if !cursor.is_null() {
            // SAFETY: a cursor points to a live block.
            *cursor = unsafe { (**cursor).next };
        }
    }

    /// Returns true if cursor `I` is at the last block, or the list is empty.
    pub fn is_last<const I: usize>(&self) -> bool {
        self.cursor::<I>() == self.chain.tracked.last
    }

    /// Returns a number that identifies the block under cursor `I` as long as that block exists; 0
    /// at the end.
    pub fn cursor_id<const I: usize>(&self) -> usize {
        self.cursor::<I>().addr()
    }

    /// Returns the block under cursor `I`; `None` at the end.
    pub fn current<const I: usize>(&self) -> Option<Item<'_, T>> {
        let node = self.cursor::<I>().cast::<Node<T>>();
        // SAFETY: a cursor points to a live block, and `&self` keeps it unchanged.
        if node.is_null() { None } else { Some(unsafe { Node::item(node) }) }
    }

    /// Returns the value under cursor `I`; `None` at the end. Never accesses the bytes after it, so
    /// they may be borrowed elsewhere.
    pub fn current_value_mut<const I: usize>(&mut self) -> Option<&mut T> {
        let node = self.cursor::<I>().cast::<Node<T>>();
        // SAFETY: a cursor points to a live block, and `&mut self` is exclusive.
        if node.is_null() { None } else { Some(unsafe { &mut (*node).value }) }
    }

    fn cursor<const I: usize>(&self) -> *mut BlockHeader {
        const { assert!(I < 2) };
        // In bounds by the assertion above, so no bounds check is compiled in.
        self.chain.tracked.cursors[I]
    }

    fn cursor_mut<const I: usize>(&mut self) -> &mut *mut BlockHeader {
        const { assert!(I < 2) };
        // As above.
        &mut self.chain.tracked.cursors[I]
    }
}

impl<T: Copy, K: Tracking> Default for List<T, K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Copy, K: Tracking> Drop for List<T, K> {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Iterator over the blocks of a list, from the front.
pub struct Iter<'a, T> {
    node: *mut Node<T>,
    /// A later block of the list, or null for its end.
    end: *mut Node<T>,
    list: PhantomData<&'a T>,
}

impl<'a, T> Iterator for Iter<'a, T> {
    type Item = Item<'a, T>;

    fn next(&mut self) -> Option<Item<'a, T>> {
        let node = self.node;
        if node == self.end {
            return None;
        }
        // SAFETY: the list is borrowed for 'a, so its blocks are live and do not change; `end` comes
        // at the latest after the last.
        unsafe {
            self.node = (*node).header.next.cast();
            Some(Node::item(node))
        }
    }
}

/// A block found in a list, to be read, changed or removed.
pub struct Found<'a, T: Copy, K: Tracking> {
    chain: NonNull<Chain<K>>,
    link: Link,
    marker: PhantomData<&'a mut List<T, K>>,
}

impl<'a, T: Copy, K: Tracking> Found<'a, T, K> {
    fn node(&self) -> *mut Node<T> {
        // SAFETY: `find` saw a block behind the link, and the list has been borrowed since.
        unsafe { (*self.link).cast() }
    }

    /// Returns the value.
    pub fn value(&mut self) -> &mut T {
        // SAFETY: the block is live, and the list is borrowed exclusively.
        unsafe { &mut (*self.node()).value }
    }

    /// Calls `look` with the value and the bytes.
    pub fn with<R>(&self, look: impl FnOnce(&T, &[u8]) -> R) -> R {
        // SAFETY: the block is live, and the list is borrowed, so nothing changes it.
        let Item { value, bytes } = unsafe { Node::item(self.node()) };
        look(value, bytes)
    }

    /// Returns the block, readable as long as the list is borrowed.
    pub fn item(self) -> Item<'a, T> {
        // SAFETY: the block is live, and the list is borrowed for 'a, so nothing changes it.
        unsafe { Node::item(self.node()) }
    }

    /// Removes the block from the list.
    pub fn remove(self) {
        // SAFETY: `find` saw the block in this chain, which has been borrowed since.
        unsafe { Chain::remove(self.chain.as_ptr(), self.link) };
    }

    /// Replaces the block by one with another value and copies of `parts`, at the same place in the
    /// list.
    pub fn replace(self, value: T, parts: &[&[u8]]) -> Result<(), OutOfMemory> {
        let block = new_block(Node::<T>::BYTES, parts)?;
        let new = block.as_ptr();
        // SAFETY: the new block has space for the node. `find` saw the old one behind the link, and
        // the list has been borrowed since; `relink` leaves no pointer to it before it is freed.
        unsafe {
            Node::set_value(block, value);
            let old = *self.link;
            (*new).next = (*old).next;
            Chain::relink(self.chain.as_ptr(), self.link, new, new);
            free_block(old.cast());
        }
        Ok(())
    }

    /// Frees the bytes of the block; the value stays.
    pub fn drop_bytes(self) {
        // SAFETY: as above.
        unsafe { Chain::drop_bytes(self.chain.as_ptr(), self.link, Node::<T>::BYTES) };
    }
}

#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
