/* SPDX-License-Identifier: MIT */
/*
 * errno.h - what a call that failed returns: the negative of Linux's errno, so that a kernel's
 * system calls pass it on unchanged. 0 or a positive value is success.
 */
#ifndef MMKIT_ERRNO_H
#define MMKIT_ERRNO_H

enum mmk_error {
    MMK_EPERM = -1,
    MMK_EINTR = -4,
    MMK_EIO = -5,
    MMK_EAGAIN = -11,
    MMK_ENOMEM = -12,
    MMK_EACCES = -13,
    MMK_EFAULT = -14,
    MMK_EBUSY = -16,
    MMK_EEXIST = -17,
    MMK_EINVAL = -22,
    MMK_EFBIG = -27,
    MMK_EOVERFLOW = -75,
    MMK_EOPNOTSUPP = -95,
};

#endif
