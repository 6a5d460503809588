import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * A settable wall clock for a real process. It moves only `Date`, from outside the program, as the
 * kernel would; timers and the monotonic clock are not affected.
 */
export interface WallClock {
  /** The environment to start the process with. */
  readonly environment: Readonly<Record<string, string>>
  /** Sets how far it is ahead of the real one; negative is behind. */
  set(aheadMs: number): void
}

/** Returns the code that replaces `Date`; it reads the file 50 times a second. */
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
    // The file is replaced in one step, because the process may read it at any moment.
    writeFileSync(`${path}.new`, String(aheadMs))
    renameSync(`${path}.new`, path)
  }

  set(0)
  const script = `data:text/javascript,${encodeURIComponent(preload(path))}`
  return { environment: { NODE_OPTIONS: `--import=${script}` }, set }
}
