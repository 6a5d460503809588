/** The size of a run. */
export interface Scale {
  readonly rounds: number
  /** The number of cells at the same time; it is one when something is measured. */
  readonly lanes: number
  readonly warmUpSeconds: number
  /**
   * The connections of the warm-up. With one the compiler would need minutes to optimise the code.
   */
  readonly warmUpConnections: number
  /** Length of the measured window. */
  readonly seconds: number
  /** Distinct shoppers. When a cell needs more, the first ones come again. */
  readonly shoppers: number
  /** Connections that are always busy. */
  readonly connections: number
  /** Shoppers who come again and again after everything is sold out. */
  readonly returning: number
  readonly race: { readonly shoppers: number; readonly units: number }
  /** Shoppers who all get a unit and pay, to measure the cost of an order. */
  readonly orders: number
  /** Requests that wait at once while the memory of the API process is read. */
  readonly waiting: number
  /** Requests that autocannon sends to every contender that is sold out; 0 sends none. */
  readonly crossCheckRequests: number
  readonly soak: SoakScale
  /** Products of the curve over products. */
  readonly products: readonly number[]
}

export interface SoakScale {
  /** Length of the storm. */
  readonly seconds: number
  readonly connections: number
  /** The pause from an answer to the next request. */
  readonly thinkMs: number
  /** The sizes of the crowds that ask and vanish, in turn. */
  readonly crowds: readonly number[]
  readonly calmSeconds: number
  readonly calmConnections: number
  /** Units of each product that an operator keeps on sale. */
  readonly units: number
  readonly holdSeconds: number
  readonly lookEveryMs: number
}

export const canonicalScale: Scale = {
  rounds: 3,
  lanes: 1,
  warmUpSeconds: 3,
  warmUpConnections: 100,
  seconds: 8,
  shoppers: 400_000,
  connections: 1_000,
  returning: 10_000,
  race: { shoppers: 10_000, units: 1_000 },
  orders: 1_000,
  waiting: 10_000,
  crossCheckRequests: 0,
  soak: {
    seconds: 300,
    connections: 100,
    thinkMs: 50,
    crowds: [10_000, 1_000, 1_000, 1_000, 1_000],
    calmSeconds: 10,
    calmConnections: 10,
    units: 500,
    holdSeconds: 2,
    lookEveryMs: 1_000,
  },
  products: [1, 10, 50],
}

/** The smallest scale at which every part runs. */
export const smokeScale: Scale = {
  rounds: 1,
  lanes: 2,
  warmUpSeconds: 0.05,
  warmUpConnections: 5,
  seconds: 0.15,
  shoppers: 5_000,
  connections: 20,
  returning: 50,
  race: { shoppers: 60, units: 10 },
  orders: 10,
  waiting: 40,
  crossCheckRequests: 200,
  soak: {
    seconds: 1,
    connections: 10,
    thinkMs: 5,
    crowds: [50, 20],
    calmSeconds: 0.2,
    calmConnections: 2,
    units: 20,
    holdSeconds: 1,
    lookEveryMs: 100,
  },
  products: [3],
}
