// Virtual users that wait: what each of them costs in memory.
import { sleep } from 'k6';

export default function () {
  sleep(Number(__ENV.IDLE_SECONDS));
}
