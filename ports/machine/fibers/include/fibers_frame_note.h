/* SPDX-License-Identifier: MIT */
/* fibers_frame_note.h - who uses which memory is checked: fibers/frames.c, translations.c */
void mmk_note_frames(mmk_paddr_t first, uint64_t count, enum mmk_frame_use use);
void mmk_note_linked(mmk_paddr_t table, const void *entry);
void mmk_note_object(void *object, size_t size, bool freed);
uint64_t mmk_note_flush_begins(void);
void mmk_note_flush_ends(uint64_t begun, uint64_t context, mmk_vaddr_t start, mmk_vaddr_t end,
                         bool tables);
void mmk_note_written(mmk_paddr_t frame);
void mmk_note_clean(mmk_paddr_t frame, const void *refs, uint32_t own, const void *flags,
                    uint32_t dirty);
