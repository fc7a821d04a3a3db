#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Usage: table.py ROOT

The table "Every flag" of docs/SEMANTICS.md against the headers of the Linux that is installed, the
library's own, and what `mmkit oracle' compares:
  - each constant of the headers is in the row of its call;
  - each that both have has the same value;
  - each that is said to be supported, without a mark that it is not compared, is one that the
    oracle knows, and in every_flag.txt, which tests/cli/oracle.sh runs on both sides.
"""
import fnmatch
import os
import re
import subprocess
import sys

HEADERS = ['asm/mman.h', 'linux/mman.h', 'linux/falloc.h']
# Which row is about which constants: the beginning of its first column.
ROWS = {
    'PROT_': ['mmap, protection', 'mprotect'],
    'PKEY_': ['mprotect'],
    'MAP_': ['mmap, type', 'mmap, flags'],
    'MREMAP_': ['mremap'],
    'MADV_': ['madvise'],
    'MLOCK_': ['mlock,'],
    'MCL_': ['mlockall'],
    'MS_': ['mincore, msync'],
    'FALLOC_FL_': ['ftruncate, fallocate'],
    'OVERCOMMIT_': ['sysctl'],
}
PER_ROW = ['PROT_']  # in each of the rows, not in one of them
FLAGS = ['MAP_', 'MREMAP_', 'MADV_', 'MLOCK_', 'MCL_', 'MS_']  # arguments of operations
NO_BITS = ['MAP_FILE']

root = sys.argv[1]
failures = 0


def fail(text):
    global failures
    failures += 1
    print('FAIL:', text, file=sys.stderr)


def read(path):
    with open(os.path.join(root, path), encoding='utf-8') as file:
        return file.read()


def compile_text(text, *options):
    return subprocess.run([os.environ.get('CC', 'cc'), '-x', 'c', *options, '-'], input=text,
                          capture_output=True, text=True)


def constants(includes):
    made = compile_text(''.join(f'#include <{name}>\n' for name in includes), '-E', '-dM')
    if made.returncode != 0:
        print(made.stderr)
        sys.exit(77)  # another system, or no headers
    return set(re.findall(r'^#define (\w+)(?= )', made.stdout, re.M))


def rows():
    text = read('docs/SEMANTICS.md').split('\n## Every flag\n')[1].split('\n## ')[0]
    lines = [line for line in text.split('\n') if line.startswith('| ')][1:]
    return [[cell.strip() for cell in line.strip('|').split('|')] for line in lines]


def words(text):
    return re.findall(r'[A-Z0-9][A-Z0-9_]*(?:(?<=_)\*)?(?![a-z])', text)


def about(table, prefix):
    return [row for row in table if any(row[0].startswith(name) for name in ROWS[prefix])]


def prefix_of(name):
    for prefix in sorted(ROWS, key=len, reverse=True):
        if name.startswith(prefix):
            return prefix
    return None


def check_complete(table, names):
    for name in sorted(names):
        prefix = prefix_of(name)
        found = [any(fnmatch.fnmatchcase(name[len(prefix):], word) for word in words(' '.join(row)))
                 for row in about(table, prefix)]
        if not any(found) or (prefix in PER_ROW and not all(found)):
            fail(f'{name} is not in the table of docs/SEMANTICS.md')


def check_values(names):
    own = dict(re.findall(r'^#define MMK_(\w+) +(0x[0-9a-f]+|[0-9]+)\b', read('include/mmkit/mm.h'),
                          re.M))
    both = sorted(name for name in names if name in own)
    if len(both) < 40:
        fail(f'only {len(both)} constants of the library have a name of Linux')
    text = ''.join(f'#include <{name}>\n' for name in HEADERS)
    text += ''.join(f'_Static_assert({own[name]} == {name}, "{name}");\n' for name in both)
    made = compile_text(text, '-fsyntax-only')
    if made.returncode != 0:
        fail('values differ: ' + made.stderr)


def check_compared(table):
    spelt = {prefix + name: text for text, prefix, name in
             re.findall(r'NAME\("([^"]+)", (\w+_), (\w+)\)', read('cmd/oracle/op.c'))}
    spelt['MAP_SHARED_VALIDATE'] = '0x3'
    done = set()
    for line in read('tests/oracle/every_flag.txt').split('\n'):
        for word in line.split('#')[0].split():
            done.update(word.split('|'))
    for prefix in FLAGS:
        for row in about(table, prefix):
            for word in re.findall(r'\b[A-Z0-9][A-Z0-9_]*\b(?!\*)', row[1]):
                name = prefix + word
                if name in NO_BITS or (name not in spelt and name not in linux):
                    continue
                if name not in spelt:
                    fail(f'{name} is said to be compared, but `mmkit oracle\' does not know it')
                elif spelt[name] not in done:
                    fail(f'{name} is said to be compared, but is not in every_flag.txt')


linux = {name for name in constants(HEADERS) if prefix_of(name)}
if len(linux) < 60:
    fail(f'only {len(linux)} constants in the headers of Linux')
check_complete(rows(), linux)
check_values(linux)
check_compared(rows())
print(f'{len(linux)} constants')
sys.exit(failures > 0)
