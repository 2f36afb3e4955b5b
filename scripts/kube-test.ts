/** `npm run kube:test`: the tests on a real Kubernetes; see docs/kubernetes-test-bed.md. */
import { runSteps } from "./run-steps.ts";
import { kubeSteps } from "./steps.ts";

process.exitCode = await runSteps(kubeSteps());
// A connection kept alive is no reason to stay.
process.exit();
