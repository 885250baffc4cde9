/** What end-to-end tests run on their clusters. */

/** A Deployment `web` in `default`, of the test bed's web server: each pod serves its own name on port 8080. */
export function webDeployment(replicas: number): string {
  return `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      tolerations: [{operator: Exists}]
      containers:
      - {name: web, image: "kubemend.test/web:1", imagePullPolicy: IfNotPresent}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec:
  clusterIP: 10.96.0.80
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080, protocol: TCP}]
`;
}
