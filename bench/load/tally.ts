import type { Answers } from './job.ts'

const code = /"code":"([a-z_]+)"/

/** `201`, or `409 sold_out` when the body is a problem with a code. */
export function kindOf(status: number, body: string): string {
  if (status < 300) return String(status)
  return `${status} ${code.exec(body)?.[1] ?? ''}`.trim()
}

/** Counts by name. */
export class Tally {
  private readonly counts = new Map<string, number>()

  add(name: string, count = 1): void {
    if (count > 0) this.counts.set(name, (this.counts.get(name) ?? 0) + count)
  }

  read(): Answers {
    return Object.fromEntries(this.counts)
  }
}

const faultsShownMax = 5

/** The faults of the run by kind, with their numbers. */
export class Faults {
  private readonly tally = new Tally()

  add(what: string, count = 1): void {
    this.tally.add(what, count)
  }

  read(): readonly string[] {
    const all = Object.entries(this.tally.read()).sort(([, a], [, b]) => b - a)
    return all.slice(0, faultsShownMax).map(([what, count]) => `${count} × ${what}`)
  }
}
