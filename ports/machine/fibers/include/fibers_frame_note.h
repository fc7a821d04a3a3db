/* SPDX-License-Identifier: MIT */
/* fibers_frame_note.h - who may use which memory is checked at each access: fibers/frames.c. */
void mmk_note_frames(mmk_paddr_t first, uint64_t count, enum mmk_frame_use use);
void mmk_note_object(void *object, size_t size, bool freed);
