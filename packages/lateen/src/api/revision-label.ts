/** Labels of control-plane revisions (istio.io, "Canary Upgrades" and "Resource Labels"). */

/** On objects: the revision, or a tag of it, that they are for. On what is installed: whose it is. */
export const REVISION_LABEL = "istio.io/rev";
/** On a webhook configuration: the tag that leads to the revision of `REVISION_LABEL`. */
export const TAG_LABEL = "istio.io/tag";
/**
 * On Deployments and pods of Lateen's control planes, however they were installed: a Deployment with label
 * `app=istiod` and without this one is Istio's.
 */
export const CONTROL_PLANE_LABEL = "lateen.dev/control-plane";
