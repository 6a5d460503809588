import type { CrashPoint } from './plan.ts'
import type { Lane } from './schedule.ts'
import type { World } from './world.ts'

/** One process from its start to its death. What it held in memory goes with it. */
export interface Life {
  readonly name: string
  readonly lane: Lane
  readonly world: World
  isAlive(): boolean
  /** Whether it shall die here; the caller lets it, at the very moment. */
  isDueAt(point: CrashPoint): boolean
  die(point: string): void
  /** Dies here if it shall. True: it is dead, whether now or before. */
  diesAt(point: CrashPoint): boolean
  /** Returns how to forget it again. */
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
