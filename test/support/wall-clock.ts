import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * A wall clock for a real process that an operator can set. Only `Date` is moved, from outside the
 * program, as the kernel would: timers and the monotonic clock go on.
 */
export interface WallClock {
  /** For the process to be started with. */
  readonly environment: Readonly<Record<string, string>>
  /** From now on it is this far ahead of the real one; negative is behind. */
  set(aheadMs: number): void
}

/** The file is looked at 50 times a second. */
const preload = (path: string): string => `
  import { readFileSync } from 'node:fs'
  const RealDate = Date
  let aheadMs = 0
  setInterval(() => { aheadMs = Number(readFileSync(${JSON.stringify(path)}, 'utf8')) }, 20).unref()
  globalThis.Date = class Date extends RealDate {
    constructor(...given) {
      if (given.length === 0) super(RealDate.now() + aheadMs)
      else super(...given)
    }
    static now() { return RealDate.now() + aheadMs }
  }`

/** `folder` holds the file the process reads its offset from. */
export function createWallClock(folder: string): WallClock {
  const path = join(folder, 'clock-ahead-ms')

  function set(aheadMs: number): void {
    // In one piece: the process may read at any moment.
    writeFileSync(`${path}.new`, String(aheadMs))
    renameSync(`${path}.new`, path)
  }

  set(0)
  const script = `data:text/javascript,${encodeURIComponent(preload(path))}`
  return { environment: { NODE_OPTIONS: `--import=${script}` }, set }
}
