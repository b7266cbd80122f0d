// Whole clusters in bad weather, half of the seeds: what happens in a run is in weather.ts, what must hold in oracle.ts
// and simulation.ts.
import { storms } from './storms.ts'

storms(0)
