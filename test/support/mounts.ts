import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A file system made for a test. */
export interface Mount {
  readonly path: string
  /** Unmounts it. It may be called again. */
  unmount(): void
}

/** The reason why a file system cannot be made: a missing command, or the right to use it. */
export interface Lack {
  readonly lacks: string
}

/** A file system with a power cut on demand that can be read afterwards. */
export interface FragileDisk extends Mount {
  /** Drops all data without a sync; nothing is written after that. */
  cutPower(): void
  /** Mounts the rest again. No process may have a file open. */
  repair(): void
}

/** A file system in memory of `megabytes`. */
export function mountSmall(folder: string, megabytes: number): Mount | Lack {
  const path = join(folder, 'small')
  mkdirSync(path)
  const lacks = lackOf('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', path])
  return lacks === undefined ? mounted(path) : { lacks }
}

const diskBytes = 64 * 1024 * 1024

/** ext4 in a file of its own. */
export function mountFragile(folder: string): FragileDisk | Lack {
  const image = join(folder, 'disk.img')
  const path = join(folder, 'disk')
  mkdirSync(path)
  writeFileSync(image, '')
  truncateSync(image, diskBytes)
  const mount = (): string | undefined => lackOf('mount', ['-o', 'loop', image, path])
  const lacks = lackOf('perl', ['-e', '1']) ?? lackOf('mkfs.ext4', ['-q', '-F', image]) ?? mount()
  if (lacks !== undefined) return { lacks }
  let current = mounted(path)
  return {
    path,
    unmount: () => {
      current.unmount()
    },
    cutPower() {
      execFileSync('perl', ['-e', shutdown, path])
    },
    repair() {
      current.unmount()
      if (mount() !== undefined) throw new Error('the disk cannot be mounted again')
      current = mounted(path)
    },
  }
}

/** EXT4_IOC_SHUTDOWN without flushing the journal: _IOR('X', 125, __u32), NOLOGFLUSH is 2. */
const shutdown = `
  open(my $folder, '<', $ARGV[0]) or die $!;
  my $how = pack('L', 2);
  ioctl($folder, 0x8004587d, $how) or die $!;`

/** Unmounts also when the test worker is killed: a shell that reads from it notices every end. */
function mounted(path: string): Mount {
  const script = 'read -r _ || { umount "$0" || umount -l "$0"; }'
  const stdio = ['pipe', 'ignore', 'ignore'] as const
  const watchdog = spawn('sh', ['-c', script, path], { stdio: [...stdio], detached: true })
  watchdog.unref()
  let isMounted = true
  return {
    path,
    unmount() {
      if (!isMounted) return
      isMounted = false
      watchdog.kill('SIGKILL')
      if (lackOf('umount', [path]) !== undefined) lackOf('umount', ['-l', path])
    },
  }
}

/** Runs a command. Returns what this machine lacks when it fails. */
function lackOf(command: string, options: readonly string[]): string | undefined {
  try {
    execFileSync(command, options, { stdio: 'ignore' })
    return undefined
  } catch (error) {
    const isAbsent = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    return isAbsent ? command : `root and Linux, for ${command} to work`
  }
}
