import type { CrashPoint } from './plan.ts'
import type { Lane } from './schedule.ts'
import type { World } from './world.ts'

/** One process from its start to its death, when its memory is lost. */
export interface Life {
  readonly name: string
  readonly lane: Lane
  readonly world: World
  isAlive(): boolean
  /**
   * Draws whether the process dies at this point; the caller then calls `die` at the exact moment.
   */
  isDueAt(point: CrashPoint): boolean
  die(point: string): void
  /** Draws whether the process dies here. Returns true when it is dead, since now or before. */
  diesAt(point: CrashPoint): boolean
  /** Calls `task` at the death of the process. Returns how to undo that. */
  onDeath(task: () => void): () => void
}

export function beginLife(world: World, name: string): Life {
  const lane = world.schedule.lane(name)
  const deathHandlers = new Set<() => void>()

  const life: Life = {
    name,
    lane,
    world,
    isAlive: () => lane.isAlive(),
    isDueAt: (point) => lane.isAlive() && world.random() < (world.crashes()[point] ?? 0),
    die(point) {
      if (!lane.isAlive()) return
      world.trace.note(`${name} is killed: ${point}`)
      world.happened.add(`killed ${point}`)
      lane.kill()
      for (const handle of deathHandlers) handle()
      deathHandlers.clear()
    },
    diesAt(point) {
      if (life.isDueAt(point)) life.die(point)
      return !lane.isAlive()
    },
    onDeath(task) {
      deathHandlers.add(task)
      return () => {
        deathHandlers.delete(task)
      }
    },
  }
  return life
}
