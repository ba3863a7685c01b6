"""A node of a cluster on this machine: kubelet, containerd and crun run the image as real pods."""
