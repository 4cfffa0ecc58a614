# For the robot host: sensing, control, drivers and the simulated robots. No torch. Built from the root:
#   docker build -f docker/Dockerfile.robot -t dreamzero-robot .
#   docker build -f docker/Dockerfile.robot -t dreamzero-robot-yam --build-arg VENDOR=yam .
# To pin by content: --build-arg BASE=ros@sha256:...
ARG BASE=ros:jazzy-ros-base-noble
FROM ${BASE}

SHELL ["/bin/bash", "-eo", "pipefail", "-c"]
WORKDIR /opt/build
COPY scripts scripts
RUN scripts/install_apt.sh scripts/apt/ros.txt scripts/apt/build.txt scripts/apt/render.txt

COPY requirements requirements
RUN scripts/install_python.sh requirements/robot.txt

# What the maker of the robot offers: none, droid, droid_fer or yam. droid_fer needs options of pip, too.
ARG VENDOR=none
ARG VENDOR_OPTIONS=
RUN scripts/install_vendor.sh "${VENDOR}" ${VENDOR_OPTIONS}

COPY config /config
COPY config config
COPY src src
RUN scripts/build_workspace.sh /opt/dreamzero && rm -rf build log
COPY docker/entrypoint.sh /usr/local/bin/dreamzero-entrypoint

# Threads that move the robot ask for real-time priority. Compose grants it by `ulimits`; the file is for logins.
COPY docker/limits.conf /etc/security/limits.d/90-dreamzero.conf
ARG UID=1000
RUN scripts/add_user.sh dreamzero "${UID}" && install -d -o dreamzero /bags
ENV PATH=/opt/dreamzero/bin:$PATH
USER dreamzero
WORKDIR /home/dreamzero
VOLUME ["/bags"]

HEALTHCHECK --interval=30s --timeout=15s --start-period=60s --retries=3 \
  CMD ["dreamzero-entrypoint", "python3", "/opt/build/scripts/healthcheck.py", "camera_tiler", "proprioception", "controller"]
ENTRYPOINT ["dreamzero-entrypoint"]
CMD ["dreamzero", "--help"]
