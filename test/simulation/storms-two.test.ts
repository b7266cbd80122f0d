// The other half of the seeds of storms-one.test.ts, so that both cores have something to do.
import { SEEDS_PER_FILE, storms } from './storms.ts'

storms(SEEDS_PER_FILE)
