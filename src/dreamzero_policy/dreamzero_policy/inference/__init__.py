"""How a robot is answered: sessions, their context, the engine, the thread around it (torch)."""
